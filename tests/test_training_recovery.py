"""Lo que queda tras un fallo, un Ctrl-C o un argumento de más: nada se pierde ni se dice mal."""

import signal
from contextlib import nullcontext

import pytest
import torch
from accelerate import Accelerator
from tiny_training import (
    Linear,
    assert_same_bits,
    regression,
    squared_error,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch.utils.data import TensorDataset

from course_lib.training import DivergenceError, Trainer, every
from course_lib.training.stream import Stream


def linear_trainer(**options):
    defaults = {"batch_size": 8, "lr": 0.05, "warmup": 5, "steps": 12, "progress": False}
    return Trainer(Linear([0.0, 0.0, 0.0]), squared_error, regression(), **{**defaults, **options})


# --- un paso que falla --------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("call", [10, 11, 12], ids=lambda call: f"microlote {call - 9} de 3")
def test_un_fallo_a_media_acumulacion_repite_ese_paso_y_sigue(call, error):
    """El paso 4 son las llamadas 10 a 12 a la pérdida; al seguir, los mismos bits que sin fallo."""
    trainer, calls = linear_trainer(accumulation=3), []

    def loss(model, batch, generator):
        calls.append(1)
        if len(calls) == call:
            raise error("sin memoria")
        return squared_error(model, batch, generator)

    trainer.loss = loss
    with pytest.raises(error):
        trainer.fit()
    assert trainer.step == 3 and trainer.stream.seen == 3 * 24
    assert trainer.model.w.grad is None  # ni rastro del gradiente a medias
    assert_same_bits(linear_trainer(accumulation=3).fit(), trainer.fit())


def test_un_fallo_despues_del_paso_no_lo_repite():
    def fail(trainer):
        if trainer.step == 4 and not failed:
            failed.append(True)
            raise RuntimeError("el aviso falló")

    failed = []
    trainer = linear_trainer(accumulation=2, callbacks=[fail])
    with pytest.raises(RuntimeError):
        trainer.fit()
    assert trainer.step == 4 and trainer.stream.seen == 4 * 16
    assert_same_bits(linear_trainer(accumulation=2).fit(), trainer.fit())


def test_cambiar_la_acumulacion_entre_dos_fit_sigue_entrenando():
    trainer = linear_trainer(accumulation=3).fit(1)
    trainer.accumulation = 2
    before = trainer.model.w.detach().clone()
    trainer.fit(1)
    assert not torch.equal(trainer.model.w, before)


# --- Ctrl-C y stop() ----------------------------------------------------------------------------


def ctrl_c(trainer):
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("callbacks", "interrupted"),
    [
        ([every(6, lambda t: t.stop())], False),
        ([every(6, ctrl_c)], True),
        ([every(6, lambda t: t.stop()), every(6, ctrl_c)], True),
    ],
    ids=["stop", "Ctrl-C", "los dos"],
)
def test_interrupted_distingue_ctrl_c_de_stop(callbacks, interrupted, capsys):
    trainer = linear_trainer(callbacks=callbacks).fit()
    assert trainer.step == 6 and trainer.interrupted is interrupted
    assert "detenido en el paso 6 de 12" in capsys.readouterr().out
    trainer.callbacks = []
    assert trainer.fit().step == 12 and trainer.interrupted is False


def test_ctrl_c_en_el_ultimo_paso_no_interrumpe_nada():
    trainer = linear_trainer(callbacks=[every(12, ctrl_c)]).fit()
    assert trainer.step == 12 and trainer.interrupted is False


# --- argumentos que se contradicen --------------------------------------------------------------


def test_guardar_cada_n_pasos_sin_carpeta_se_dice_al_crear():
    with pytest.raises(ValueError, match=r"checkpoint_every=20 .*checkpoint_dir"):
        linear_trainer(checkpoint_every=20)


def test_el_ultimo_paso_se_guarda_una_sola_vez(tmp_path):
    trainer, saved = linear_trainer(checkpoint_dir=tmp_path, checkpoint_every=4), []
    real = trainer.save
    trainer.save = lambda: (saved.append(trainer.step), real())
    trainer.fit()
    assert saved == [4, 8, 12]


def test_lr_es_la_del_optimizador_dado():
    trainer = linear_trainer(lr=None, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    assert trainer.lr == 0.5
    groups = [{"params": Linear([0.0]).parameters(), "lr": torch.tensor(0.25)}]
    made = linear_trainer(lr=None, optimizer=torch.optim.SGD(groups, lr=1.0))
    assert made.lr == 0.25 and type(made.lr) is float  # va al JSON del punto de control
    assert linear_trainer(lr=None).lr == 2e-4 and linear_trainer(lr=0.03).lr == 0.03


def test_lr_y_optimizer_a_la_vez_se_rechazan():
    with pytest.raises(ValueError, match=r"lr=0\.05 .*optimizer"):
        linear_trainer(optimizer=lambda p: torch.optim.SGD(p, lr=0.5))


def test_la_divergencia_dice_la_tasa_verdadera():
    trainer = linear_trainer(lr=None, optimizer=lambda p: torch.optim.SGD(p, lr=7.0))
    trainer.loss = lambda m, b, g: squared_error(m, b, g) * float("nan")
    with pytest.raises(DivergenceError, match=r"lr \(ahora 7\)"):
        trainer.fit()


# --- dispositivo y precisión --------------------------------------------------------------------


def test_cada_entrenador_recuerda_su_precision():
    """Accelerate comparte ese dato entre todos los entrenadores del proceso."""
    first = linear_trainer(mixed_precision="bf16")
    second = linear_trainer()
    assert first.mixed_precision == "bf16" and second.mixed_precision == "no"


@pytest.mark.parametrize("structure", ["tensor", "tupla", "Dataset", "Dataset ajeno"])
@pytest.mark.parametrize("place", ["cpu", "meta"])
def test_solo_se_fija_la_memoria_de_los_tensores_de_cpu(monkeypatch, structure, place):
    """«meta» hace aquí de GPU: `pin_memory` solo admite tensores de la CPU."""
    one = torch.zeros(4, 2, dtype=torch.long, device=place)
    data = {
        "tensor": one,
        "tupla": (torch.zeros(4), one),
        "Dataset": TensorDataset(torch.zeros(4), one),
        "Dataset ajeno": [{"x": 1.0, "y": row} for row in one],
    }[structure]
    stream, options = Stream(data, 2, Accelerator(cpu=True)), {}
    loader = lambda *_, **given: options.update(given) or []  # noqa: E731
    monkeypatch.setattr("course_lib.training.stream.DataLoader", loader)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())
    with stream.open():
        assert options["pin_memory"] is False  # en CPU no hace falta
    stream.device = torch.device("cuda")
    with stream.open():
        assert options["pin_memory"] is (place == "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="sin GPU de CUDA")
def test_se_entrena_con_datos_que_ya_estan_en_la_gpu():
    x, y = regression()
    assert linear_trainer().fit(2).step == 2
    trainer = Trainer(Linear([0.0] * 3), squared_error, (x.cuda(), y.cuda()), progress=False)
    assert trainer.fit(2).step == 2
