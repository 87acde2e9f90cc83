"""El entrenador contra cuentas hechas a mano, y contra sí mismo sin cortes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import (
    Linear,
    Wrapped,
    assert_same_bits,
    denoise,
    images,
    make,
    regression,
    squared_error,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch import nn

from course_lib.training import EMA, Trainer, every
from course_lib.training.stream import Order

# --- un paso, a mano ----------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [None, 0.5, 100.0])
def test_un_paso_de_sgd_es_el_calculado_a_mano(clip):
    x, y = regression()
    w = torch.tensor([0.3, 0.2, -0.1], dtype=torch.float64)
    gradient = 2 / len(x) * x.T @ (x @ w - y)
    norm = gradient.norm().item()
    assert norm > 0.5  # si no, el recorte a 0.5 no probaría nada
    factor = 1.0 if clip is None else min(1.0, clip / (norm + 1e-6))  # 1e-6: lo suma PyTorch
    model = Linear([0.3, 0.2, -0.1])
    trainer = Trainer(
        model,
        squared_error,
        (x, y),
        batch_size=64,
        warmup=0,
        grad_clip=clip,
        optimizer=lambda p: torch.optim.SGD(p, lr=0.1),
        progress=False,
    ).fit(1)
    torch.testing.assert_close(model.w.data, w - 0.1 * factor * gradient, rtol=1e-12, atol=1e-14)
    assert trainer.grad_norm == pytest.approx(norm, rel=1e-12)
    loss = (x @ w - y).square().mean().item()
    assert trainer.history == [(1, pytest.approx(loss, rel=1e-6))]


def test_adam_por_defecto_mueve_lr_en_el_primer_paso():
    x, y = regression()
    gradient = 2 / len(x) * x.T @ (x @ torch.zeros(3, dtype=torch.float64) - y)
    model = Linear([0.0, 0.0, 0.0])
    options = {"batch_size": 64, "lr": 0.01, "warmup": 0, "grad_clip": None, "progress": False}
    Trainer(model, squared_error, (x, y), **options).fit(1)
    expected = -0.01 * gradient / (gradient.abs() + 1e-8)  # m̂/(√v̂ + ε) con k = 1
    torch.testing.assert_close(model.w.data, expected, rtol=1e-12, atol=0)


def test_acumular_dos_lotes_de_32_equivale_a_uno_de_64():
    data, weights = regression(n=100), []
    for size, accumulation in ((64, 1), (32, 2), (16, 4)):
        model = Linear([0.0, 0.0, 0.0])
        trainer = Trainer(
            model,
            squared_error,
            data,
            batch_size=size,
            accumulation=accumulation,
            lr=0.05,
            progress=False,
        ).fit(7)
        assert trainer.examples_per_step == 64 and trainer.stream.seen == 7 * 64
        weights.append(model.w.detach().clone())
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(weights[2], weights[0], rtol=1e-10, atol=1e-13)


def test_calentamiento_de_la_tasa_de_aprendizaje():
    seen = []
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()
    groups = [
        {"params": model[0].parameters(), "lr": 0.4},
        {"params": model[1].parameters(), "lr": 0.04},
    ]
    x, y = regression()
    Trainer(
        model,
        lambda m, b, g: (m(b[0])[:, 0] - b[1]).square().mean(),
        (x, y),
        warmup=4,
        optimizer=torch.optim.SGD(groups, lr=1.0),
        callbacks=[lambda t: seen.append([g["lr"] for g in t.optimizer.param_groups])],
        progress=False,
    ).fit(6)
    factors = [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [pair[0] for pair in seen] == pytest.approx([0.4 * f for f in factors])
    assert [pair[1] for pair in seen] == pytest.approx([0.04 * f for f in factors])


# --- EMA ----------------------------------------------------------------------------------------


def test_ema_coincide_con_la_suma_cerrada_y_copia_los_buffers():
    snapshots = [Wrapped().net[0].weight.detach().clone()]
    trainer = make(ema=0.6, callbacks=[lambda t: snapshots.append(t.model.net[0].weight.clone())])
    trainer.fit(25)
    decays = [min(0.6, n / (n + 9)) for n in range(1, 26)]
    expected = snapshots[0].double() * math.prod(decays)
    for i, (theta, d) in enumerate(zip(snapshots[1:], decays, strict=True)):
        expected += (1 - d) * math.prod(decays[i + 1 :]) * theta.detach().double()
    averaged = trainer.ema_model
    torch.testing.assert_close(averaged.net[0].weight.double(), expected, rtol=1e-5, atol=1e-7)
    assert not torch.equal(averaged.net[0].weight, trainer.model.net[0].weight)
    norm, averaged_norm = trainer.model.net[1], averaged.net[1]
    assert torch.equal(averaged_norm.running_mean, norm.running_mean)
    assert averaged_norm.num_batches_tracked.item() == 25
    assert not averaged.training and not any(p.requires_grad for p in averaged.parameters())


def test_ema_sin_arranque_suave_es_la_media_movil_de_libro():
    model = Linear([1.0, 1.0, 1.0])
    ema = EMA(model, decay=0.9, warmup=False)
    model.w.data.zero_()
    for _ in range(20):
        ema.update(model)
    assert ema.model.w[0].item() == pytest.approx(0.9**20, rel=1e-5)


def test_ema_alcanza_su_decaimiento_y_olvida_el_inicio():
    model = Linear([1.0, 1.0, 1.0])
    ema = EMA(model, decay=0.9)
    assert [ema.decay_at(n) for n in (1, 2, 81, 1000)] == pytest.approx([0.1, 2 / 11, 0.9, 0.9])
    model.w.data.zero_()
    for _ in range(20):
        ema.update(model)
    expected = math.prod(n / (n + 9) for n in range(1, 21))
    assert ema.model.w[0].item() == pytest.approx(expected, rel=1e-10)
    target = Linear([7.0, 7.0, 7.0])
    ema.copy_to(target)
    assert torch.equal(target.w, ema.model.w)


def test_sin_ema_el_modelo_promediado_es_la_propia_red():
    trainer = make(ema=None).fit(2)
    assert trainer.ema_model is trainer.model


# --- orden de los datos y azar ------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 40), start=st.integers(0, 200), count=st.integers(1, 90))
def test_el_orden_no_depende_de_por_donde_se_empiece(n, start, count):
    whole = Order(n, seed=3).indices(0, start + count)
    assert Order(n, seed=3).indices(start, count) == whole[start:]
    for epoch in range((start + count) // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_cada_epoca_se_baraja_y_cada_semilla_da_otro_orden():
    one = Order(50, seed=1)
    assert one.indices(0, 50) != one.indices(50, 50)
    assert one.indices(0, 50) != Order(50, seed=2).indices(0, 50)
    assert one.indices(0, 50) != list(range(50))


@pytest.mark.parametrize("structure", ["tensor", "tupla", "Dataset"])
def test_el_entrenador_ve_cada_ejemplo_una_vez_por_epoca(structure):
    values = torch.arange(30.0).reshape(30, 1)
    pairs = torch.utils.data.TensorDataset(values, torch.arange(30))
    data = {"tensor": values, "tupla": (values, torch.arange(30)), "Dataset": pairs}[structure]
    seen = []

    def loss(model, batch, generator):
        x = batch
        if structure != "tensor":
            assert isinstance(batch, tuple)
            x, y = batch
            assert torch.equal(x[:, 0].long(), y)  # imagen y etiqueta viajan juntas
        seen.extend(x[:, 0].long().tolist())
        return model(x).square().mean()

    Trainer(nn.Linear(1, 1), loss, data, batch_size=7, progress=False).fit(10)
    assert seen == Order(30, seed=0).indices(0, 70)
    assert sorted(seen[:30]) == sorted(seen[30:60]) == list(range(30))


def test_la_semilla_fija_el_resultado():
    one = make().fit()
    torch.manual_seed(99)  # ni el azar global ni el que gasten los avisos intervienen
    assert_same_bits(one, make(callbacks=[lambda t: torch.rand(t.step)]).fit())
    assert not torch.equal(make(seed=1).fit().model.net[0].weight, one.model.net[0].weight)


def test_entrenar_no_cambia_el_azar_de_quien_llama():
    trainer = make()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    trainer.fit(3)
    assert torch.equal(torch.rand(3), expected)


# --- precisión, compilación y procesos ----------------------------------------------------------


def test_bf16_en_cpu_aprende_y_no_altera_la_red():
    torch.manual_seed(0)
    x, y = (t.float() for t in regression(n=256))
    dtypes = []

    def loss(model, batch, generator):
        hidden = model[0](batch[0])
        dtypes.append(hidden.dtype)
        return (model(batch[0])[:, 0] - batch[1]).square().mean()

    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
    options = {"lr": 2e-2, "batch_size": 64, "progress": False, "warmup": 0}
    trainer = Trainer(model, loss, (x, y), mixed_precision="bf16", **options)
    inside = []
    model[0].register_forward_hook(lambda m, i, o: inside.append(o.dtype))
    trainer.fit(150)
    losses = [value for _, value in trainer.history]
    assert torch.bfloat16 in inside  # de verdad se multiplicó en bf16
    assert sum(losses[-10:]) / 10 < 0.1 * losses[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    inside.clear()
    assert model(x[:2]).dtype == torch.float32 and set(inside) == {torch.float32}
    inside.clear()
    Trainer(model, loss, (x, y), **options).fit(2)  # otra precisión, en el mismo proceso
    assert set(inside) == {torch.float32}
    inside.clear()
    trainer.fit(2)  # y el primero sigue en la suya
    assert torch.bfloat16 in inside


def test_con_una_red_interior_tampoco_se_altera_el_modelo():
    trainer = make(mixed_precision="bf16", compile="eager")
    convolution = trainer.model.net[0]
    seen = []
    convolution.register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    assert trainer.model(images()[0]).dtype == torch.float32 and seen == [torch.float32]
    assert isinstance(trainer.model.net, nn.Sequential)
    assert "forward" not in vars(trainer.model.net)
    assert trainer.model.net is not trainer._net


def test_compilar_no_ensucia_las_claves_y_da_los_mismos_pesos(tmp_path):
    plain = make().fit(6)
    compiled = make(tmp_path, compile="eager").fit(3)
    assert type(compiled._net).__name__ == "OptimizedModule"
    assert list(compiled.model.state_dict()) == list(Wrapped().state_dict())
    assert list(compiled.ema_model.state_dict()) == list(Wrapped().state_dict())
    resumed = make(tmp_path)  # lo compilado se retoma sin compilar
    resumed.resume()
    resumed.fit(3)
    for a, b in zip(plain.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)


# --- avisos y argumentos ------------------------------------------------------------------------


def test_el_orden_del_bucle_y_las_llamadas_periodicas():
    seen = []

    def callback(t):
        seen.append((t.step, t.ema.updates, len(t.history), t.model.training))
        t.model.eval()  # quien mira la red no debe cambiar el entrenamiento

    periodic = []
    trainer = make(callbacks=[callback, every(3, lambda t: periodic.append(t.step))]).fit(7)
    assert [s[:3] for s in seen] == [(k, k, k) for k in range(1, 8)]
    assert periodic == [3, 6]
    assert_same_bits(make().fit(7), trainer)
    assert trainer.fit().step == 20 and trainer.fit(2).step == 22
    assert not trainer.model.training


def test_la_barra_dice_perdida_velocidad_y_tiempo_y_se_puede_callar(capsys):
    make(progress=True).fit()
    shown = capsys.readouterr().err
    for text in ("Entrenamiento", "20/20 pasos", "pérdida", "imágenes/s", "quedan"):
        assert text in shown
    make().fit()
    silent = capsys.readouterr()
    assert silent.out == silent.err == ""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 2.5}, TypeError, "batch_size"),
        ({"lr": 0.0}, ValueError, "lr"),
        ({"warmup": -1}, ValueError, "warmup"),
        ({"steps": 0}, ValueError, "steps"),
        ({"accumulation": 0}, ValueError, "accumulation"),
        ({"grad_clip": 0.0}, ValueError, "grad_clip"),
        ({"ema": 1.0}, ValueError, "ema"),
        ({"checkpoint_every": -2}, ValueError, "checkpoint_every"),
        ({"mixed_precision": "bf61"}, ValueError, "'bf16'"),
        ({"mixed_precision": "fp16", "cpu": True}, ValueError, "necesita una GPU"),
    ],
)
def test_argumentos_incorrectos(options, error, text):
    with pytest.raises(error, match=text):
        make(**options)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (torch.empty(0, 3), ValueError, "vacío"),
        ((torch.zeros(3, 3), torch.zeros(4)), ValueError, r"\[3, 4\]"),
        (torch.tensor([[1.0], [float("nan")]]), ValueError, "1 valores NaN"),
        ("fashion-mnist", TypeError, "str"),
        (7, TypeError, "int"),
    ],
    ids=["vacío", "longitudes", "NaN", "texto", "número"],
)
def test_datos_incorrectos(data, error, text):
    with pytest.raises(error, match=text):
        Trainer(nn.Linear(1, 1), denoise, data)


def test_imagenes_entre_0_y_255_avisan():
    with pytest.warns(UserWarning, match=r"entre 0 y 255.*\[-1, 1\]"):
        Trainer(Wrapped(), denoise, (torch.tensor([0.0, 255.0]).expand(4, 1, 1, 2), torch.zeros(4)))


def test_perdida_que_no_es_escalar_y_modelos_que_no_sirven():
    trainer = make()
    trainer.loss = lambda m, b, g: m(b[0]).flatten(1).mean(1)
    with pytest.raises(ValueError, match=r"\(8,\).*\.mean\(\)"):
        trainer.fit(1)
    with pytest.raises(TypeError, match="nn.Module"):
        Trainer("red", denoise, images())
    with pytest.raises(ValueError, match="entrenables"):
        Trainer(nn.Flatten(), denoise, images())
    with pytest.raises(ValueError, match="checkpoint_dir"):
        make().save()
    with pytest.raises(ValueError, match="n debe ser"):
        every(0, print)
