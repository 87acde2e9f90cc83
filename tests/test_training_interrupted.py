"""Cortes: lo que se retoma tiene los mismos bits que lo que nunca se cortó."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_training import (
    Linear,
    assert_same_bits,
    denoise,
    make,
    regression,
    saved_step,
    squared_error,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch import nn

from course_lib.training import DivergenceError, Trainer, every

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "options",
    [{}, {"accumulation": 2}, {"channels_last": True}, {"ema": None}, {"mixed_precision": "bf16"}],
    ids=str,
)
def test_retomar_a_mitad_de_epoca_da_los_mismos_bits(tmp_path, options):
    whole = make(**options).fit()
    make(tmp_path, **options).fit(7)  # 7·8 = 56 ejemplos: a mitad de la segunda época de 30
    second = make(tmp_path, **options)
    for p in second.model.parameters():
        nn.init.constant_(p, 3.0)
    assert second.resume() and second.step == 7
    for parameter, state in second.optimizer.optimizer.state.items():  # mismo orden en memoria
        assert state["exp_avg"].stride() == parameter.stride()
    second.fit()
    assert_same_bits(whole, second)


def test_un_optimizador_con_momento_tambien_se_retoma(tmp_path):
    options = {"optimizer": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)}
    whole = make(**options).fit()
    make(tmp_path, **options).fit(9)
    second = make(tmp_path, **options)
    second.resume()
    assert_same_bits(whole, second.fit())


def test_los_extras_se_guardan_y_se_reponen(tmp_path):
    class Counter:
        def __init__(self):
            self.values, self.n = torch.zeros(3), 0

        def state_dict(self):
            return {"values": self.values, "n": self.n}

        def load_state_dict(self, state):
            self.values, self.n = state["values"], state["n"]

    first, second = Counter(), Counter()
    first.values, first.n = torch.tensor([1.0, 2.0, 3.0]), 8
    make(tmp_path, extras={"tiempos": first}).fit(2)
    make(tmp_path, extras={"tiempos": second}).resume()
    assert torch.equal(second.values, first.values) and second.n == 8


KILLED = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, "tests")
from tiny_training import make
make(sys.argv[1], steps=10**6, checkpoint_every=1).fit()
"""


def wait_for(condition, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "el proceso no llegó a guardar a tiempo"
        time.sleep(0.002)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL es de POSIX")
def test_un_proceso_matado_con_sigkill_se_retoma_con_los_mismos_bits(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: saved_step(tmp_path) >= 6, process)
    finally:
        process.kill()  # SIGKILL, casi siempre a mitad de una escritura
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    resumed = make(tmp_path, checkpoint_every=1)
    assert resumed.resume() and resumed.step >= 6
    resumed.fit(5)
    assert_same_bits(make().fit(resumed.step), resumed)
    assert len(list(tmp_path.iterdir())) == 2  # ni temporales ni versiones viejas


def press_ctrl_c_at(step):
    return lambda t: signal.raise_signal(signal.SIGINT) if t.step == step else None


def test_ctrl_c_guarda_avisa_y_se_retoma(tmp_path, capsys):
    handler = signal.getsignal(signal.SIGINT)
    stopped = make(tmp_path, callbacks=[press_ctrl_c_at(7)]).fit()
    assert stopped.interrupted and stopped.step == 7 == saved_step(tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler
    captured = capsys.readouterr()
    assert "detenido en el paso 7 de 20" in captured.out
    assert str(tmp_path) in captured.out and "trainer.resume()" in captured.out
    assert "Ctrl-C" in captured.err
    resumed = make(tmp_path)
    resumed.resume()
    resumed.fit()
    assert not resumed.interrupted
    assert_same_bits(make().fit(), resumed)


def test_ctrl_c_a_mitad_de_un_paso_termina_ese_paso(tmp_path):
    calls = []

    def loss(model, batch, generator):
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return denoise(model, batch, generator)

    trainer = make(tmp_path)
    trainer.loss = loss
    assert trainer.fit().step == 4 == saved_step(tmp_path)
    assert_same_bits(make().fit(4), trainer)
    trainer.fit()  # y sigue en la misma sesión
    assert_same_bits(make().fit(), trainer)


def test_el_segundo_ctrl_c_corta_en_el_acto(tmp_path):
    def twice(trainer):
        if trainer.step == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, callbacks=[twice]).fit()
    assert saved_step(tmp_path) == 0


def test_stop_termina_antes_y_sin_carpeta_lo_dice(capsys):
    trainer = make(callbacks=[every(6, lambda t: t.stop())]).fit()
    assert trainer.step == 6 and not trainer.interrupted  # eso es solo de Ctrl-C
    assert "detenido en el paso 6 de 20" in (printed := capsys.readouterr().out)
    assert "no se guardó nada en disco" in printed


# --- divergencia --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pérdida", "gradiente"])
def test_la_divergencia_se_detiene_y_conserva_el_ultimo_punto_bueno(tmp_path, kind):
    def loss(model, batch, generator):
        value = denoise(model, batch, generator)
        if trainer.step + 1 < 6:
            return value
        if kind == "pérdida":
            return value * float("nan")
        zero = sum(p.square().sum() for p in model.parameters()) * 0
        return value + zero.sqrt()  # vale 0 y su gradiente es 0·∞

    states = {}
    keep = [lambda t: states.update({t.step: t.model.net[0].weight.detach().clone()})]
    trainer = make(tmp_path, checkpoint_every=4, callbacks=keep)
    trainer.loss = loss
    with pytest.raises(DivergenceError) as caught:
        trainer.fit()
    message = str(caught.value)
    for text in ("paso 6", "nan", kind, "lr (ahora 0.01)", str(tmp_path), "resume()"):
        assert text in message
    assert trainer.step == 5 and saved_step(tmp_path) == 4
    assert trainer.stream.seen == 5 * 8  # el lote que falló volverá a servirse
    assert torch.equal(trainer.model.net[0].weight, states[5])
    trainer.loss = denoise
    trainer.resume()
    assert_same_bits(make().fit(), trainer.fit())


# --- varios procesos ----------------------------------------------------------------------------


TWO = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, "tests")
from tiny_training import Linear, regression, squared_error
from course_lib.training import Trainer
# como `accelerate launch`: el rango y el número de procesos llegan por variables de entorno
trainer = Trainer(
    Linear([0.0, 0.0, 0.0]), squared_error, regression(n=100), batch_size=16, accumulation=2,
    lr=0.05, cpu=True, progress=False, checkpoint_dir=sys.argv[1],
).fit(5)
assert trainer.accelerator.num_processes == 2 and trainer.stream.seen == 5 * 64
torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="sin torch.distributed")
def test_dos_procesos_dan_el_paso_de_uno_con_lote_doble(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-c", TWO, str(tmp_path / "punto")]
    pair = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**shared, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    try:
        printed = [process.communicate(timeout=300)[0] for process in pair]
    finally:
        for process in pair:
            process.kill()
    assert [process.returncode for process in pair] == [0, 0], printed
    options = {"lr": 0.05, "progress": False, "checkpoint_dir": tmp_path / "punto"}
    data = regression(n=100)
    one = Trainer(Linear([0.0, 0.0, 0.0]), squared_error, data, batch_size=64, **options)
    two = Trainer(Linear([0.0, 0.0, 0.0]), squared_error, data, batch_size=64, **options)
    with pytest.warns(UserWarning, match="batch_size: 16 → 64"):
        assert two.resume()
    one.checkpoint_dir = None
    one.fit(5)
    torch.testing.assert_close(two.model.w, one.model.w, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(two.ema_model.w, one.ema_model.w, rtol=1e-10, atol=1e-13)
    assert [v for _, v in two.history] == pytest.approx([v for _, v in one.history], rel=1e-6)
