"""Las redes: lo que la U-Net calcula, a quién escucha y que aprende entera."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.networks import MLP, TimeEmbedding, UNet
from course_lib.networks.unet import Attention, ResBlock

TINY = {"base": 8, "multipliers": (1, 2, 2), "blocks": 1}


def awake(module, seed=0, size=0.1):
    """Da un valor al azar a todos los parámetros: al nacer, varias capas son cero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return module


def inputs(batch=3, channels=1, size=28):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, channels, size, size, generator=generator)
    return x, torch.linspace(0.1, 0.9, batch)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "attention"), [(28, (7,)), (32, (8, 16)), (64, ())])
def test_lados_y_canales(size, attention, channels, learned):
    """Sirve a 28, 32 y 64 píxeles, en gris y en color; la varianza aprendida dobla los canales."""
    net = awake(UNet(channels, size, attention=attention, learned_variance=learned, **TINY))
    x, t = inputs(2, channels, size)
    assert net(x, t).shape == (2, channels * (1 + learned), size, size)
    sides = [m.norm for m in net.modules() if isinstance(m, Attention)]
    assert len(sides) == (3 * len(attention) + 1 if attention else 0)


def test_nace_diciendo_cero():
    """Recién creada, la salida es 0: la primera pérdida es E‖ε‖² = 1, ni más ni menos."""
    x, t = inputs()
    assert (UNet(**TINY)(x, t) == 0).all()


def test_el_bloque_residual_nace_como_identidad():
    """Con la segunda convolución en cero, el bloque no toca x, sea cual sea t; después, sí."""
    block, x, code = ResBlock(16, 16, 32), torch.randn(2, 16, 5, 5), torch.randn(2, 32)
    assert torch.equal(block(x, code), x)
    assert not torch.allclose(awake(block)(x, code), x)
    wider = ResBlock(16, 24, 32)
    torch.testing.assert_close(wider(x, code), wider.skip(x))


def test_el_bloque_residual_es_su_formula():
    """x + conv₂(silu((1 + a)·norm₂(conv₁(silu(norm₁ x))) + b)), con (a, b) lineal en el código."""
    block = awake(ResBlock(6, 10, 8), size=0.3).double()
    x, code = torch.randn(2, 6, 5, 5).double(), torch.randn(2, 8).double()

    def norm(h, layer):
        groups = layer.num_groups
        grouped = h.reshape(2, groups, -1)
        centred = grouped - grouped.mean(2, keepdim=True)
        out = centred / (centred.square().mean(2, keepdim=True) + layer.eps).sqrt()
        out = out.reshape(h.shape)
        return out * layer.weight[:, None, None] + layer.bias[:, None, None]

    def silu(h):
        return h * torch.sigmoid(h)

    assert (block.norm1.num_groups, block.norm2.num_groups) == (6, 5)  # el mayor ≤ 8 que divide
    a, b = (code @ block.modulation.weight.T + block.modulation.bias)[:, :, None, None].split(10, 1)
    h = F.conv2d(silu(norm(x, block.norm1)), block.conv1.weight, block.conv1.bias, padding=1)
    h = silu((1 + a) * norm(h, block.norm2) + b)
    h = F.conv2d(h, block.conv2.weight, block.conv2.bias, padding=1)
    torch.testing.assert_close(block(x, code), block.skip(x) + h, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels", [16, 64, 100])
def test_la_atencion_es_softmax_qk_v(channels):
    """Cabeza a cabeza: x + W·softmax(QKᵀ/√d)V, con 1, 2 y (100 = 2·50, pues 3 no divide) 2 cabezas."""
    layer = awake(Attention(channels), size=0.2).double()
    assert layer.heads == {16: 1, 64: 2, 100: 2}[channels]
    x = torch.randn(2, channels, 3, 4).double()
    q, k, v = layer.qkv(layer.norm(x)).flatten(2).chunk(3, dim=1)  # (B, C, H·W)
    d, out = channels // layer.heads, torch.empty_like(v)
    for h in range(layer.heads):
        rows = slice(h * d, (h + 1) * d)
        weights = torch.softmax(q[:, rows].mT @ k[:, rows] / math.sqrt(d), dim=-1)  # filas: píxel
        out[:, rows] = v[:, rows] @ weights.mT
    exact = x + layer.out(out.reshape(x.shape))
    torch.testing.assert_close(layer(x), exact, rtol=1e-9, atol=1e-9)


def test_la_atencion_conmuta_con_las_permutaciones():
    """Permutar los píxeles permuta la salida: la atención no sabe dónde está cada uno."""
    layer, x = awake(Attention(32), size=0.2).double(), torch.randn(1, 32, 4, 4).double()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))

    def shuffle(z):
        return z.flatten(2)[:, :, order].reshape(z.shape)

    torch.testing.assert_close(layer(shuffle(x)), shuffle(layer(x)), rtol=1e-10, atol=1e-10)
    assert torch.equal(Attention(32).double()(x), x)  # y nace como identidad


def test_el_codigo_del_tiempo():
    """cos y sen de 1000·t·10^(−4i/d): el instante k/1000 recibe el código del paso k de Ho et al."""
    t = torch.tensor([0.0, 0.001, 0.5, 1.0], dtype=torch.float64)
    code = TimeEmbedding(8)(t)
    for row, time in zip(code, t.tolist(), strict=True):
        angles = [1000 * time * 10 ** (-4 * i / 4) for i in range(4)]
        exact = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
        assert row.tolist() == pytest.approx(exact, abs=1e-4)
    nodes = TimeEmbedding(32)(torch.arange(1, 1001) / 1000)
    distances = torch.cdist(nodes, nodes) + 10 * torch.eye(1000)
    assert distances.min() > 0.1  # mil instantes, mil códigos distintos


def test_la_clase_nula(generator):
    """y = None es la clase `num_classes`, y cada ejemplo lleva la suya."""
    net = awake(UNet(num_classes=5, **TINY))
    x, t = inputs(4)
    null = net(x, t)
    torch.testing.assert_close(net(x, t, torch.full((4,), 5)), null)
    y = torch.tensor([0, 5, 3, 5])
    mixed = net(x, t, y)
    for i, label in enumerate(y.tolist()):
        alone = net(x[i : i + 1], t[i : i + 1], torch.tensor([label]))
        torch.testing.assert_close(mixed[i : i + 1], alone, rtol=1e-4, atol=1e-5)
    assert torch.allclose(mixed[1], null[1], atol=1e-5) and torch.allclose(
        mixed[3], null[3], atol=1e-5
    )
    assert not torch.allclose(mixed[0], null[0], atol=1e-3)


def test_cada_ejemplo_con_su_instante_y_sin_mirar_a_los_demas():
    """Sin BatchNorm: la salida de un ejemplo no depende de sus vecinos, y sí de su t."""
    net = awake(UNet(**TINY))
    x, t = inputs(3)
    out = net(x, t)
    for i in range(3):
        torch.testing.assert_close(net(x[i : i + 1], t[i : i + 1])[0], out[i], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(net(x, t.flip(0))[0], out[0], atol=1e-4)


@pytest.mark.parametrize("learned", [False, True])
def test_el_gradiente_llega_a_todos_los_parametros(learned):
    """Ningún parámetro está de adorno: todos reciben gradiente no nulo."""
    net = awake(UNet(size=16, attention=(8, 4), num_classes=3, learned_variance=learned, **TINY))
    x, t = inputs(3, size=16)
    net(x, t, torch.tensor([0, 1, 2])).square().sum().backward()
    for name, parameter in net.named_parameters():
        gradient = parameter.grad
        if name == "label.weight":
            assert gradient.any(1).tolist() == [True, True, True, False]  # la nula no ha salido
        assert gradient is not None and gradient.any(), name


def test_channels_last_da_lo_mismo():
    """La disposición en memoria no cambia el resultado, y se conserva de entrada a salida."""
    net = awake(UNet(num_classes=3, **TINY))
    x, t = inputs()
    y = torch.tensor([0, 1, 3])
    expected = net(x, t, y)
    net = net.to(memory_format=torch.channels_last)
    out = net(x.to(memory_format=torch.channels_last), t, y)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_classes", [None, 4])
def test_sin_cortes_de_grafo_al_compilar(num_classes):
    """`torch.compile` ve la red como un solo grafo, con clases o sin ellas, y da lo mismo."""
    net = awake(
        UNet(size=8, attention=(4,), num_classes=num_classes, base=8, multipliers=(1, 2), blocks=1)
    )
    x, t = inputs(2, size=8)
    cond = {} if num_classes is None else {"y": torch.tensor([1, 4])}
    torch._dynamo.reset()
    report = torch._dynamo.explain(net)(x, t, **cond)
    assert report.graph_count == 1 and report.graph_break_count == 0, report.break_reasons
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, t, **cond), net(x, t, **cond))


def test_en_bfloat16_el_tiempo_sigue_fino():
    """En bf16 el código de t se calcula en float32: dos instantes vecinos no se confunden."""
    net = awake(UNet(**TINY)).bfloat16()
    x, t = torch.zeros(2, 1, 28, 28, dtype=torch.bfloat16), torch.tensor([0.9000, 0.9003])
    assert t.bfloat16()[0] == t.bfloat16()[1]
    out = net(x, t)
    assert out.dtype == torch.bfloat16 and not torch.equal(out[0], out[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_las_frecuencias_no_se_redondean_con_la_red(dtype):
    """`.bfloat16()` o `.half()` no cambian el código de t, ni al ir ni al volver."""
    net, t = MLP(), torch.linspace(0, 1, 7)  # 16 frecuencias; en bf16, 562.34 sería 564
    exact = net.time(t)
    assert torch.equal(net.to(dtype).time(t), exact)
    assert torch.equal(net.float().time(t), exact)
    assert not [key for key in net.state_dict() if "frequencies" in key]


def test_dropout_solo_al_entrenar():
    """`dropout` actúa en modo de entrenamiento y se apaga en `eval()`."""
    net = awake(UNet(dropout=0.5, **TINY))
    x, t = inputs()
    assert not torch.equal(net(x, t), net(x, t))
    net.eval()
    assert torch.equal(net(x, t), net(x, t))


def test_mlp_clases_y_precision():
    """La MLP: y=None es la clase nula, t y x mezclan sus tipos, y el gradiente llega a todo."""
    net = awake(MLP(dim=3, hidden=16, depth=2, num_classes=4)).double()
    x, t = torch.randn(5, 3).double(), torch.linspace(0.1, 0.9, 5).double()
    null = net(x, t)
    assert torch.equal(net(x, t, torch.full((5,), 4)), null) and null.dtype == torch.float64
    y = torch.tensor([0, 1, 2, 3, 4])
    out = net(x, t, y)
    assert not torch.allclose(out[:4], null[:4], atol=1e-4) and torch.equal(out[4], null[4])
    assert len([m for m in net.layers if isinstance(m, nn.Linear)]) == 3
    out.square().sum().backward()
    assert all(p.grad.any() for p in net.parameters())
