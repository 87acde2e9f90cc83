"""El juego alternado: un paso a mano, el equilibrio en 1-D, cortes, fallos y divergencias."""

import json
import math
import signal

import pytest
import torch
from tiny_training import (
    assert_same_bits,
    saved_step,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib.adversarial import AdversarialTrainer, losses, mode_coverage
from course_lib.data import toy
from course_lib.networks import Discriminator, Generator
from course_lib.training import CheckpointError, DivergenceError, every
from course_lib.training.stream import Order, derive_seed


def points(n=60):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(5)) + 1


def players():
    """Un generador con BatchNorm y un discriminador con norma espectral y dropout: con memoria."""
    torch.manual_seed(7)
    generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    discriminator = nn.Sequential(
        spectral_norm(nn.Linear(2, 8)), nn.SiLU(), nn.Dropout(0.2), spectral_norm(nn.Linear(8, 1))
    )
    return generator, discriminator


def game(folder=None, nets=None, data=None, **options):
    defaults = {"batch_size": 8, "steps": 12, "lr": 1e-2, "latent_dim": 3, "progress": False}
    defaults |= {"discriminator_steps": 2, "gradient_penalty": 0.5, "r1": 0.1, "warmup": 5}
    data = points() if data is None else data
    options = {**defaults, "checkpoint_dir": folder, **options}
    return AdversarialTrainer(*(nets or players()), data, **options)


def assert_same_game(one, other):
    """Los mismos bits en los dos jugadores, sus optimizadores y las dos historias."""
    assert_same_bits(one, other)
    assert one.discriminator_history == other.discriminator_history
    a, b = one.discriminator.state_dict(), other.discriminator.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    a, b = one.discriminator_optimizer.state_dict(), other.discriminator_optimizer.state_dict()
    assert a["param_groups"] == b["param_groups"] and a["state"].keys() == b["state"].keys()
    for index, state in a["state"].items():
        assert all(torch.equal(state[k], b["state"][index][k]) for k in state)


# --- un paso, a mano ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", losses.PAIRS)
def test_un_paso_es_el_calculado_a_mano(name):
    """D: dos pasos de Adam con sus lotes; G: uno, contra el discriminador ya movido."""
    x = points(32).double()
    generator, critic = nn.Linear(2, 2).double(), nn.Linear(2, 1).double()
    g = [p.detach().clone().requires_grad_(True) for p in generator.parameters()]
    d = [p.detach().clone().requires_grad_(True) for p in critic.parameters()]
    adam = {"betas": (0.5, 0.999)}
    adam_g, adam_d = torch.optim.Adam(g, lr=0.01, **adam), torch.optim.Adam(d, lr=0.03, **adam)
    order, pair, rng = Order(32, seed=0), losses.PAIRS[name], torch.Generator()

    def judge(x):
        return (x @ d[0].T + d[1])[:, 0]

    def fake():
        return torch.randn(16, 2, generator=rng).double() @ g[0].T + g[1]

    d_losses = []
    for start in (0, 16):
        real = x[order.indices(start, 16)]
        rng.manual_seed(derive_seed(0, "ruido", start))
        loss = pair.discriminator(judge(real), judge(fake().detach()))
        loss = loss + 0.5 * 0.7 * d[0].square().sum()  # R₁ de un discriminador lineal
        adam_d.zero_grad(), loss.backward(), adam_d.step()
        d_losses.append(loss.item())
    g_loss = pair.generator(judge(fake()))
    adam_g.zero_grad(), g_loss.backward(), adam_g.step()

    options = {"batch_size": 16, "lr": 0.01, "discriminator_lr": 0.03, "latent_dim": 2}
    options |= {"discriminator_steps": 2, "r1": 0.7, "loss": name, "progress": False}
    trainer = AdversarialTrainer(generator, critic, x, **options).fit(1)
    close = {"rtol": 1e-10, "atol": 1e-12}
    for ours, theirs in zip([*generator.parameters(), *critic.parameters()], g + d, strict=True):
        torch.testing.assert_close(ours.data, theirs.data, **close)
    assert trainer.history == [(1, pytest.approx(g_loss.item(), rel=1e-6, abs=1e-7))]
    assert trainer.discriminator_history == [(1, pytest.approx(d_losses[-1], rel=1e-6))]
    assert trainer.stream.seen == trainer.examples_per_step == 32
    assert all(p.requires_grad for p in critic.parameters())  # solo estuvo quieto un rato


def test_el_calentamiento_y_el_recorte_valen_para_los_dos():
    seen, norms = [], []
    trainer = game(discriminator_lr=4e-2, warmup=4, grad_clip=1e-3)
    inner = trainer.discriminator_optimizer.step

    def step():
        gradients = [p.grad for p in trainer.discriminator.parameters()]
        norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())
        inner()

    trainer.discriminator_optimizer.step = step
    optimizers = (trainer.optimizer, trainer.discriminator_optimizer)
    trainer.callbacks = [lambda t: seen.append([o.param_groups[0]["lr"] for o in optimizers])]
    trainer.fit(6)
    factors = [0.25, 0.5, 0.75, 1, 1, 1]
    assert [s[0] for s in seen] == pytest.approx([1e-2 * f for f in factors])
    assert [s[1] for s in seen] == pytest.approx([4e-2 * f for f in factors])
    assert len(norms) == 12 and norms == pytest.approx([1e-3] * 12, rel=1e-2)


# --- el juego llega -----------------------------------------------------------------------------

VALUE_AT_REST = {"saturating": math.log(4), "non-saturating": math.log(4)}
VALUE_AT_REST |= {"wasserstein": 0.0, "hinge": 2.0}


@pytest.mark.parametrize("name", losses.PAIRS)
def test_el_juego_en_1d_lleva_la_media_a_la_de_los_datos(name):
    """G(z) = az + b nace en (1, 0) y los datos son N(2, 0.7²): tolerancia 0.1 en media y 0.15 en σ.

    Se frena con R₁, que converge; con la penalización de pendiente 1 la media oscila en torno a 2.
    """
    torch.manual_seed(0)
    generator = nn.Linear(1, 1)
    nn.init.ones_(generator.weight), nn.init.zeros_(generator.bias)
    critic = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 1))
    x = 2 + 0.7 * torch.randn(4000, 1)
    brake = {"r1": 1.0, "betas": (0.0, 0.9)} if name == "wasserstein" else {"r1": 0.3}
    options = {"batch_size": 128, "lr": 1e-2, "ema": 0.98, "latent_dim": 1, "loss": name}
    trainer = AdversarialTrainer(generator, critic, x, progress=False, **options, **brake).fit(600)
    samples = trainer.sample(4000, 1)
    assert abs(samples.mean().item() - 2) < 0.1
    assert abs(samples.std().item() - 0.7) < 0.15
    assert (
        abs(trainer.discriminator_history[-1][1] - VALUE_AT_REST[name]) < 0.1
    )  # D ya no distingue


def test_el_juego_en_2d_acerca_las_muestras_a_los_modos():
    torch.manual_seed(0)
    generator = nn.Sequential(
        nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    critic = nn.Sequential(
        nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )
    options = {"batch_size": 256, "lr": 1e-3, "ema": 0.99, "latent_dim": 2, "r1": 0.05}
    mixture, x = toy.eight_gaussians(), toy.load("ocho-gaussianas", 20_000, 0)
    trainer = AdversarialTrainer(generator, critic, x, progress=False, **options)
    before = mode_coverage(trainer.sample(2000, 1), mixture, minimum=20)
    trainer.fit(700)
    after = mode_coverage(trainer.sample(2000, 1), mixture, minimum=20)
    assert before.good < 0.1 and before.covered == 0
    assert after.good > 0.4 and after.covered >= 6


def test_la_dcgan_con_todo_da_un_paso():
    torch.manual_seed(0)
    nets = Generator(4, size=8, base=2), Discriminator(size=8, base=2)
    x = torch.rand(12, 1, 8, 8) * 2 - 1
    options = {"batch_size": 4, "channels_last": True, "mixed_precision": "bf16"}
    trainer = AdversarialTrainer(
        *nets, (x, torch.arange(12)), gradient_penalty=1.0, r1=1.0, progress=False, **options
    ).fit(2)
    assert trainer.sample(1, 0).shape == (1, 1, 8, 8)  # una sola muestra: modo evaluación
    assert torch.equal(trainer.sample(3, 0), trainer.sample(3, 0))
    assert not torch.equal(trainer.sample(3, 0), trainer.sample(3, 1))
    assert all(p.dtype == torch.float32 for net in nets for p in net.parameters())


def test_bf16_llega_a_los_dos_jugadores():
    generator, critic = players()
    seen = {"G": set(), "D": set()}
    for name, net in (("G", generator), ("D", critic)):
        net[0].register_forward_hook(lambda m, i, o, name=name: seen[name].add(o.dtype))
    trainer = game(nets=(generator, critic), mixed_precision="bf16")
    game()  # otro juego, sin precisión mixta, creado después
    trainer.fit(2)
    assert seen == {"G": {torch.bfloat16}, "D": {torch.bfloat16}}


def test_un_lote_de_uno():
    """Sin BatchNorm el juego funciona con lotes de uno; con ella se dice qué pasa."""
    nets = nn.Linear(3, 2), nn.Linear(2, 1)
    trainer = game(nets=nets, batch_size=1).fit()
    assert trainer.step == 12 and all(math.isfinite(loss) for _, loss in trainer.history)
    images = torch.zeros(4, 1, 8, 8)
    nets = Generator(3, size=8, base=2), Discriminator(size=8, base=2)
    with pytest.raises(ValueError, match=r"lote de uno.*BatchNorm"):
        game(nets=nets, data=images, batch_size=1).fit()


# --- cortes y fallos ----------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 5])
def test_retomar_es_seguir_bit_a_bit(tmp_path, stop):
    whole = game(tmp_path / "a").fit()
    game(tmp_path / "b").fit(stop)
    second = game(tmp_path / "b")
    for p in (*second.model.parameters(), *second.discriminator.parameters()):
        nn.init.constant_(p, 3.0)
    assert second.resume() and second.step == stop
    assert len(second.discriminator_history) == stop
    assert_same_game(whole, second.fit())
    assert torch.equal(whole.sample(5, 0), second.sample(5, 0))


def test_mirar_a_los_jugadores_entre_pasos_no_cambia_el_juego():
    def look(trainer):
        torch.rand(3)
        trainer.discriminator(points(4))
        trainer.sample(4)

    assert_same_game(game().fit(), game(callbacks=[look]).fit())


def test_ctrl_c_guarda_el_juego_entero(tmp_path, capsys):
    callback = every(5, lambda t: signal.raise_signal(signal.SIGINT))
    trainer = game(tmp_path, callbacks=[callback]).fit()
    assert trainer.interrupted and saved_step(tmp_path) == trainer.step == 5
    second = game(tmp_path)
    second.resume()
    assert_same_game(game().fit(), second.fit())


@pytest.mark.parametrize("call", [10, 11, 12], ids=["D, 1", "D, 2", "G"])
def test_un_fallo_a_mitad_de_un_paso_lo_deshace_entero(call):
    """Cada paso evalúa el discriminador 3 veces sin penalizaciones; el 4.º son la 10, 11 y 12."""
    plain = {"gradient_penalty": 0.0, "r1": 0.0}
    trainer, calls = game(**plain), []
    inner = trainer._judge

    def judge(x):
        calls.append(1)
        out = inner(x)
        if len(calls) == call:
            raise RuntimeError("sin memoria")
        return out

    trainer._judge = judge
    with pytest.raises(RuntimeError, match="sin memoria"):
        trainer.fit()
    assert trainer.step == 3 and len(trainer.discriminator_history) == 3
    assert_same_game(game(**plain).fit(3), trainer)
    assert all(p.grad is None and p.requires_grad for p in trainer.discriminator.parameters())
    trainer._judge = inner
    assert_same_game(game(**plain).fit(), trainer.fit())


@pytest.mark.parametrize("who", ["discriminador", "generador"])
def test_nan_se_detiene_lo_dice_y_conserva_el_ultimo_punto_bueno(tmp_path, who):
    def spoil(pair):
        return losses.Pair(
            lambda r, f: pair.discriminator(r, f) * (math.nan if who == "discriminador" else 1),
            lambda f: pair.generator(f) * (math.nan if who == "generador" else 1),
        )

    trainer = game(tmp_path, checkpoint_every=4)
    good = trainer.pair

    def callback(t):
        if t.step == 6:
            t.pair = spoil(good)

    trainer.callbacks = [callback]
    with pytest.raises(DivergenceError) as caught:
        trainer.fit()
    for text in (f"Divergió el {who}", "paso 7", "paso 6", str(tmp_path), "r1=1.0", "lr"):
        assert text in str(caught.value)
    assert saved_step(tmp_path) == 4  # el de antes, intacto
    assert_same_game(game().fit(6), trainer)  # los dos jugadores siguen en el paso 6
    trainer.pair, trainer.callbacks = good, []
    assert_same_game(game().fit(), trainer.fit())
    second = game(tmp_path / "otro")
    assert not second.resume()


def test_una_tasa_desbocada_diverge_con_mensaje_y_se_puede_retomar(tmp_path):
    nets = nn.Linear(3, 2), nn.Linear(2, 1)
    options = {"loss": "wasserstein", "gradient_penalty": 0.0, "r1": 0.0, "warmup": 0}
    game(tmp_path, nets=nets, **options).fit(3)
    wild = game(tmp_path, nets=nets, discriminator_lr=1e38, **options)
    with pytest.warns(UserWarning, match=r"otros ajustes \(discriminator_lr: 0.01 → 1e\+38\)"):
        wild.resume()
    with pytest.raises(DivergenceError, match="Divergió el"):
        wild.fit(50)
    for p in (*wild.model.parameters(), *wild.discriminator.parameters()):
        assert p.isfinite().all()
    assert saved_step(tmp_path) == 3


def test_el_punto_de_control_de_otro_discriminador_se_explica(tmp_path):
    game(tmp_path).fit(2)
    torch.manual_seed(0)
    other = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(CheckpointError, match="extra «discriminador»"):
        game(tmp_path, nets=(other, nn.Linear(2, 1))).resume()
    info = json.loads((tmp_path / "entrenamiento.json").read_text())
    assert set(info["extras"]) == {"discriminador", "optimizador del discriminador", "juego"}


# --- argumentos ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"loss": "js"}, ValueError, "loss='js'.*'non-saturating'"),
        ({"latent_dim": None}, ValueError, "latent_dim"),
        ({"latent_dim": 0}, ValueError, "latent_dim"),
        ({"discriminator_steps": 0}, ValueError, "discriminator_steps"),
        ({"lr": 0.0}, ValueError, "^lr"),
        ({"discriminator_lr": -1.0}, ValueError, "discriminator_lr"),
        ({"betas": (0.5, 1.0)}, ValueError, r"betas\[1\]"),
        ({"gradient_penalty": -1.0}, ValueError, "gradient_penalty"),
        ({"r1": math.nan}, ValueError, "r1"),
        ({"accumulation": 2}, ValueError, "accumulation=2.*batch_size"),
        ({"mixed_precision": "fp16"}, ValueError, "bf16"),
        ({"optimizer": torch.optim.SGD}, ValueError, "Adam"),
        ({"extras": {"juego": nn.Linear(1, 1)}}, ValueError, "extras.*juego"),
        ({"nets": (nn.Linear(3, 2), "D")}, TypeError, "discriminator.*str"),
        ({"nets": (nn.Linear(3, 2), nn.Flatten())}, ValueError, "entrenables"),
        ({"un_argumento_que_no_existe": 1}, TypeError, "un_argumento_que_no_existe"),
    ],
)
def test_argumentos_incorrectos(options, error, text):
    with pytest.raises(error, match=text):
        game(**options)


def test_redes_que_no_encajan_se_explican():
    with pytest.raises(ValueError, match=r"\(8, 3\).*\(8, 2\)"):
        game(nets=(nn.Linear(3, 3), nn.Linear(2, 1))).fit(1)
    with pytest.raises(ValueError, match=r"discriminator.*\(16, 1\).*\(16, 2\)"):
        game(nets=(nn.Linear(3, 2), nn.Linear(2, 2)), r1=0.0, gradient_penalty=0.0).fit(1)
    with pytest.raises(ValueError, match="latent_dim=3 y el generador espera 4"):
        game(nets=(Generator(4, size=8, base=2), Discriminator(size=8, base=2)))
