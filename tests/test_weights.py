"""Pesos: ida y vuelta exacta, lo que se distribuye, y archivos que faltan o están dañados."""

import json

import pytest
import torch

from course_lib import weights
from course_lib.data import images
from course_lib.diffusion import DDPM, VP, Denoiser
from course_lib.latent import VAE, DiscreteLikelihood, elbo_terms
from course_lib.networks import MLP, ConvDecoder, ConvEncoder, Generator, UNet
from course_lib.networks.classifier import Classifier
from course_lib.training import CheckpointError

UNET = {
    "channels": 1,
    "size": 8,
    "base": 8,
    "multipliers": (1, 2),
    "blocks": 1,
    "attention": (4,),
    "num_classes": 3,
    "learned_variance": True,
}
CONFIG = {
    "kind": "denoiser",
    "network": {"class": "UNet", "args": UNET},
    "schedule": {"class": "DDPM.cosine", "args": {"T": 20}},
    "prediction": "v",
    "learned_variance": True,
    "training": {"steps": 0},
    "quality": {},
}


def build() -> Denoiser:
    torch.manual_seed(0)
    net = UNet(**UNET)
    with torch.no_grad():
        for parameter in net.parameters():  # también las capas que nacen en cero
            parameter.normal_(0, 0.1)
    return Denoiser(net, DDPM.cosine(20), "v", learned_variance=True)


@pytest.fixture
def folder(tmp_path):
    weights.save("prueba", build(), CONFIG, tmp_path)
    return tmp_path


def test_el_denoiser_cargado_predice_exactamente_lo_mismo(folder):
    original, loaded = build().eval(), weights.load("prueba", folder=folder)
    x, y = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    for t in (0.05, 0.5, 0.9):
        ours, theirs = loaded(x, t, y=y), original(x, t, y=y)
        for field in ("x0", "eps", "var_mix"):
            assert torch.equal(getattr(ours, field), getattr(theirs, field)), field
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert loaded.kind == "v" and loaded.learned_variance
    assert torch.equal(loaded.schedule.betas, DDPM.cosine(20).betas)


def test_info_devuelve_lo_que_se_guardo(folder):
    stored = weights.info("prueba", folder)
    assert stored["schedule"] == CONFIG["schedule"] and stored["training"] == {"steps": 0}
    assert tuple(stored["network"]["args"]["attention"]) == (4,)
    assert weights.available(folder) == ["prueba"]


def test_cualquier_red_y_esquema_de_la_lista(tmp_path):
    config = CONFIG | {
        "network": {"class": "MLP", "args": {"dim": 2, "hidden": 8}},
        "schedule": {"class": "VP", "args": {"beta_max": 15.0}},
        "prediction": "eps",
        "learned_variance": False,
    }
    net = MLP(dim=2, hidden=8)
    weights.save("mlp", Denoiser(net, VP(beta_max=15.0), "eps"), config, tmp_path)
    loaded = weights.load("mlp", folder=tmp_path)
    t = torch.tensor([0.7])
    assert loaded.schedule.alpha(t) == VP(beta_max=15.0).alpha(t) != VP().alpha(t)
    x = torch.randn(3, 2)
    assert torch.equal(loaded.net(x, t.expand(3)), net(x, t.expand(3)))


def test_media_precision_ocupa_la_mitad_y_vuelve_a_float32(folder, tmp_path):
    full = (folder / "prueba.safetensors").stat().st_size
    path = weights.save("corto", build(), CONFIG, tmp_path, dtype=torch.float16)
    assert path.stat().st_size < 0.65 * full
    loaded = weights.load("corto", folder=tmp_path)
    for ours, theirs in zip(loaded.parameters(), build().parameters(), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs.detach().half().float(), rtol=0, atol=0)


# --- las otras familias -------------------------------------------------------------------------

PARTS = {"latent_dim": 3, "base": 2, "hidden": 8, "num_classes": 4}
VAE_CONFIG = {
    "kind": "vae",
    "latent_dim": 3,
    "encoder": {"class": "ConvEncoder", "args": PARTS},
    "decoder": {"class": "ConvDecoder", "args": PARTS | {"outputs_per_value": 2}},
    "likelihood": {"class": "DiscreteLikelihood", "args": {"std": "output", "min_std": 0.01}},
    "training": {},
    "quality": {},
}
GENERATOR = {"latent_dim": 5, "channels": 2, "size": 8, "base": 4}
GENERATOR_CONFIG = {
    "kind": "generator",
    "network": {"class": "Generator", "args": GENERATOR},
    "training": {},
    "quality": {},
}


def scrambled(model):
    """Todos los parámetros al azar, también los que nacen en cero o en uno."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


def build_vae() -> VAE:
    likelihood = DiscreteLikelihood("output", min_std=0.01)
    decoder = ConvDecoder(**PARTS, outputs_per_value=2)
    return scrambled(VAE(ConvEncoder(**PARTS), decoder, likelihood, 3))


def elbo_of(vae: VAE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (6, 1, 28, 28), generator=generator) / 127.5 - 1
    return elbo_terms(vae, x, 2, generator, torch.arange(6) % 4).total


def test_el_vae_cargado_da_la_misma_elbo_bit_a_bit(tmp_path):
    weights.save("vae", build_vae(), VAE_CONFIG, tmp_path)
    loaded = weights.load("vae", folder=tmp_path)
    assert type(loaded) is VAE and loaded.latent_dim == 3 and loaded.likelihood.min_std == 0.01
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert torch.equal(elbo_of(loaded), elbo_of(build_vae()))
    assert not torch.equal(elbo_of(loaded), elbo_of(VAE(*build_parts(), 3)))
    y = torch.tensor([0, 3])
    draws = [v.sample(2, torch.Generator().manual_seed(0), y) for v in (loaded, build_vae())]
    assert torch.equal(*draws)


def build_parts():
    decoder = ConvDecoder(**PARTS, outputs_per_value=2)
    return ConvEncoder(**PARTS), decoder, DiscreteLikelihood("output", min_std=0.01)


def test_el_vae_en_media_precision_da_una_elbo_cercana(tmp_path):
    """Medio bit de la undécima cifra binaria de cada peso: muy por debajo del 1 % de la ELBO."""
    weights.save("vae", build_vae(), VAE_CONFIG, tmp_path, dtype=torch.float16)
    loaded, exact = elbo_of(weights.load("vae", folder=tmp_path)), elbo_of(build_vae())
    assert loaded.dtype == torch.float32 and not torch.equal(loaded, exact)
    torch.testing.assert_close(loaded, exact, rtol=1e-2, atol=0)


def test_la_desviacion_comun_aprendida_tambien_viaja(tmp_path):
    config = VAE_CONFIG | {
        "decoder": {"class": "ConvDecoder", "args": PARTS},
        "likelihood": {"class": "DiscreteLikelihood", "args": {"std": "shared"}},
    }
    likelihood = DiscreteLikelihood("shared")
    vae = scrambled(VAE(ConvEncoder(**PARTS), ConvDecoder(**PARTS), likelihood, 3))
    weights.save("vae", vae, config, tmp_path)
    loaded = weights.load("vae", folder=tmp_path)
    assert loaded.likelihood.log_std.item() == likelihood.log_std.item() != 0
    assert torch.equal(elbo_of(loaded), elbo_of(vae))


def build_generator() -> Generator:
    net = scrambled(Generator(**GENERATOR))
    net(torch.randn(16, 5))  # la estadística de BatchNorm deja de ser la inicial
    return net.eval()


def test_el_generador_cargado_da_las_mismas_imagenes_bit_a_bit(tmp_path):
    z = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    images = build_generator()(z)
    weights.save("gan", build_generator(), GENERATOR_CONFIG, tmp_path)
    loaded = weights.load("gan", folder=tmp_path)
    assert type(loaded) is Generator and loaded.latent_dim == 5 and not loaded.training
    assert torch.equal(loaded(z), images) and images.std() > 0.05
    weights.save("gan", build_generator(), GENERATOR_CONFIG, tmp_path, dtype=torch.float16)
    short = weights.load("gan", folder=tmp_path)(z)
    assert short.dtype == torch.float32 and not torch.equal(short, images)
    torch.testing.assert_close(short, images, rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("likelihood"), ["no describe bien la red", "falta 'likelihood'"]),
        (lambda c: c.pop("latent_dim"), ["no describe bien la red", "falta 'latent_dim'"]),
        (lambda c: c["encoder"].pop("args"), ["no describe bien la red", "falta 'args'"]),
        (lambda c: c.update(latent_dim=0), ["latent_dim", "0"]),
        (lambda c: c.update(latent_dim=2), ["latent_dim=2", "encoder", "latent_dim=3"]),
        (lambda c: c.update(latent_dim="3"), ["latent_dim", "3"]),
        (lambda c: c["decoder"]["args"].update(latent_dim=4), ["decoder", "latent_dim=4"]),
        (lambda c: c["decoder"].update({"class": "eval"}), ["eval", "ConvDecoder"]),
        (lambda c: c["decoder"]["args"].update(outputs_per_value=1), ["outputs_per_value=1", "2"]),
        (lambda c: c["likelihood"].update({"class": "Poisson"}), ["Poisson", "Bernoulli"]),
        (lambda c: c["likelihood"]["args"].update(std=-1.0), ["std", "-1"]),
        (lambda c: c["encoder"]["args"].update(base=4), ["otra arquitectura", "forma"]),
        (lambda c: c.update(encoder=["ConvEncoder"]), ["no describe bien la red"]),
        (lambda c: c["encoder"].update(args=[3]), ["no describe bien la red"]),
        (lambda c: c.update(kind="generator"), ["falta 'network'"]),
    ],
)
def test_la_ficha_estropeada_de_un_vae_se_explica(tmp_path, change, words):
    weights.save("vae", build_vae(), VAE_CONFIG, tmp_path)
    edit(tmp_path, change, "vae")
    with pytest.raises(CheckpointError) as caught:
        weights.load("vae", folder=tmp_path)
    for word in ("vae", *words):
        assert word in str(caught.value), (word, str(caught.value))


def test_el_json_roto_de_un_vae(tmp_path):
    weights.save("vae", build_vae(), VAE_CONFIG, tmp_path)
    path = tmp_path / "vae.json"
    for broken in (path.read_text()[:80], "[]", ""):
        path.write_text(broken)
        with pytest.raises(CheckpointError, match="vae.json no (es JSON válido|describe)"):
            weights.load("vae", folder=tmp_path)


# --- lo que se distribuye -----------------------------------------------------------------------


def test_el_clasificador_distribuido_cumple_lo_que_dice_su_json():
    stored = weights.info("clasificador-fashion")
    accuracy = stored["quality"]["test_accuracy"]
    assert accuracy >= 0.925
    classes = stored["quality"]["per_class_accuracy"]
    assert sum(classes.values()) / 10 == pytest.approx(accuracy, abs=1e-4)
    net = weights.load_classifier()
    parameters = sum(p.numel() for p in net.parameters())
    assert parameters == stored["training"]["parameters"] < 250_000
    assert (weights.FOLDER / "clasificador-fashion.safetensors").stat().st_size < 1.1e6
    data = images.load(split="test", source="auto")
    right = torch.cat([net.predict(x) for x in data.to_model().split(1000)]) == data.labels
    if len(data) == 10_000:
        assert right.float().mean().item() == pytest.approx(accuracy, abs=5e-4)
    else:  # con la muestra, dentro de tres errores estándar
        assert abs(right.float().mean().item() - accuracy) < 3 * (0.07 / len(data)) ** 0.5


def test_todos_los_pesos_distribuidos_se_cargan():
    for name in weights.available():
        model = weights.load(name)
        assert isinstance(model, Classifier | Denoiser | VAE | Generator)
        assert {"kind", "training", "quality"} <= set(weights.info(name))


# --- errores ------------------------------------------------------------------------------------


def test_un_nombre_que_no_existe_enumera_los_que_hay(folder):
    for function in (weights.load, weights.info):
        with pytest.raises(ValueError, match="otro.*prueba"):
            function("otro", folder=folder)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_tensores_truncados_se_nombran_y_no_se_tocan(folder, size):
    path = folder / "prueba.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="prueba.safetensors.*truncado"):
        weights.load("prueba", folder=folder)
    assert path.read_bytes() == before


def test_un_byte_cambiado_se_descubre(folder):
    path = folder / "prueba.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="dañado"):
        weights.load("prueba", folder=folder)


def test_faltan_los_tensores(folder):
    (folder / "prueba.safetensors").unlink()
    with pytest.raises(CheckpointError, match="prueba.safetensors.*no existe"):
        weights.load("prueba", folder=folder)


def edit(folder, change, name="prueba") -> None:
    path = folder / f"{name}.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["network"]["args"].update(base=16), ["otra arquitectura", "forma"]),
        (lambda c: c["network"]["args"].update(num_classes=None), ["sobra"]),
        (lambda c: c["network"].update({"class": "os.system"}), ["os.system", "UNet"]),
        (lambda c: c["schedule"].update({"class": "DDPM.raro"}), ["DDPM.raro", "DDPM.cosine"]),
        (lambda c: c.update(prediction="ruido"), ["ruido", "eps"]),
        (lambda c: c.pop("schedule"), ["no describe bien la red", "schedule"]),
        (lambda c: c["network"]["args"].update(raro=1), ["no describe bien la red", "raro"]),
    ],
)
def test_un_json_que_no_corresponde_se_explica(folder, change, words):
    edit(folder, change)
    with pytest.raises(ValueError) as caught:
        weights.load("prueba", folder=folder)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_json_roto(folder):
    (folder / "prueba.json").write_text('{"kind": ')
    for function in (weights.load, weights.info):
        with pytest.raises(CheckpointError, match="prueba.json no es JSON válido"):
            function("prueba", folder=folder)


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (float("nan"), None, "NaN"),
        (float("inf"), torch.float16, "infinitos"),
        (1e5, torch.float16, "no caben en torch.float16"),
    ],
)
def test_save_no_escribe_pesos_que_no_son_finitos(folder, value, dtype, words):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    model = build()
    name, parameter = next(iter(model.net.named_parameters()))
    with torch.no_grad():
        parameter.view(-1)[0] = value
    with pytest.raises(CheckpointError, match=words) as caught:
        weights.save("prueba", model, CONFIG, folder, dtype)
    assert name in str(caught.value) and "Conviene" in str(caught.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_save_no_escribe_si_la_configuracion_no_es_la_de_la_red(folder):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    wrong = CONFIG | {"network": {"class": "UNet", "args": UNET | {"base": 16}}}
    with pytest.raises(ValueError, match="otra arquitectura"):
        weights.save("prueba", build(), wrong, folder)
    with pytest.raises(ValueError, match=r"config\['kind'\].*'denoiser', 'vae'"):
        weights.save("prueba", build(), CONFIG | {"kind": "gan"}, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


# --- la red clasificadora -----------------------------------------------------------------------


def test_el_clasificador_no_mezcla_las_imagenes_del_lote():
    torch.manual_seed(0)
    net = Classifier(base=8, width=16).eval()
    x = torch.randn(6, 1, 28, 28)
    together, apart = net(x), torch.cat([net(image[None]) for image in x])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)
    net.train()
    net.head[1].p = 0.0
    torch.testing.assert_close(net(x), together, rtol=1e-4, atol=1e-5)  # sin estadísticas del lote


def test_logits_son_la_cabeza_lineal_de_las_caracteristicas():
    net = Classifier(channels=3, num_classes=4, base=8, width=16).eval()
    x = torch.randn(2, 3, 32, 32)
    silu = net.features(x) * net.features(x).sigmoid()
    expected = silu @ net.head[2].weight.T + net.head[2].bias
    torch.testing.assert_close(net(x), expected)
    assert torch.equal(net.predict(x), expected.argmax(1))


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (28, 28), (2, 1, 4, 28)])
def test_el_clasificador_explica_una_forma_equivocada(shape):
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\)"):
        Classifier()(torch.zeros(shape))
