"""Los `extras`: módulos y optimizadores ajenos al bucle que se guardan y se reponen con él."""

import copy
import math

import pytest
import torch
from tiny_training import (
    Wrapped,
    assert_same_bits,
    images,
    make,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch import nn

from course_lib.training import CheckpointError, Trainer, checkpoint


class Keeper:
    """Un extra que guarda lo que se le dé y, si se pide, rechaza lo que no tiene su forma."""

    def __init__(self, state, strict=False):
        self.state, self.strict = state, strict

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        if self.strict and state["a"].shape != self.state["a"].shape:
            raise ValueError("a tiene otra forma")
        self.state = copy.deepcopy(state)


# --- un segundo optimizador: una GAN diminuta ---------------------------------------------------


def critic():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 1, 4))
    return net.to(memory_format=torch.channels_last)


OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.5, 0.9)),
    "AdamW en dos grupos": lambda p: torch.optim.AdamW(
        [{"params": p[:2], "lr": 1e-3}, {"params": p[2:]}], lr=5e-3, amsgrad=True
    ),
    "SGD con momento": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
    "tasa tensor": lambda p: torch.optim.Adam(p, lr=torch.tensor(3e-3)),
}


def make_gan(folder, make_optimizer):
    """La pérdida da primero un paso del crítico con su propio optimizador."""
    discriminator = critic()
    optimizer = make_optimizer(list(discriminator.parameters()))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.7)

    def loss(model, batch, generator):
        x, _ = batch
        fake = model(torch.randn(x.shape, generator=generator))
        optimizer.zero_grad()
        (discriminator(fake.detach()) - discriminator(x)).mean().backward()
        optimizer.step()
        schedule.step()
        return -discriminator(fake).mean()

    return Trainer(
        Wrapped(),
        loss,
        images(),
        batch_size=8,
        lr=1e-2,
        steps=12,
        progress=False,
        checkpoint_dir=folder,
        extras={"critico": discriminator, "optimizador": optimizer, "tasa": schedule},
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_una_gan_se_retoma_con_los_mismos_bits(tmp_path, name):
    whole = make_gan(tmp_path / "a", OPTIMIZERS[name]).fit()
    make_gan(tmp_path / "b", OPTIMIZERS[name]).fit(5)
    second = make_gan(tmp_path / "b", OPTIMIZERS[name])
    for p in second.extras["critico"].parameters():
        nn.init.constant_(p, 3.0)
    assert second.resume() and second.step == 5
    for parameter, state in second.extras["optimizador"].state.items():  # mismo orden en memoria
        for value in state.values():
            assert value.ndim == 0 or value.stride() == parameter.stride()
    assert_same_bits(whole, second.fit())
    states = [trainer.extras["critico"].state_dict() for trainer in (whole, second)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    one, other = (trainer.extras["optimizador"].state_dict() for trainer in (whole, second))
    assert one["param_groups"] == other["param_groups"]
    for index, state in one["state"].items():
        assert all(torch.equal(state[key], other["state"][index][key]) for key in state)


def test_cualquier_estado_anidado_vuelve_igual(tmp_path):
    state = {
        "a": torch.arange(3.0),
        "a/b": torch.tensor(1),
        "anidado": {0: {"x": torch.ones(2)}, "0": 5, "vacío": {}},
        "pares": [(1, 2.5), [torch.zeros(1), None, True]],
        "mejor": math.inf,
        "peor": -math.inf,
        "texto": "año",
    }
    state["a"] = {"b": torch.tensor(2)}  # misma ruta, «a/b», que otra clave
    make(tmp_path, extras={"x/y": Keeper(state)}).fit(1)
    second = Keeper({})
    make(tmp_path, extras={"x/y": second}).resume()
    found = second.state
    assert list(found) == list(state) and list(found["anidado"]) == [0, "0", "vacío"]
    assert found["a"]["b"] == 2 and found["a/b"] == 1
    assert torch.equal(found["anidado"][0]["x"], torch.ones(2)) and found["anidado"]["vacío"] == {}
    assert found["pares"][0] == (1, 2.5) and found["pares"][1][1:] == [None, True]
    assert (found["mejor"], found["peor"], found["texto"]) == (math.inf, -math.inf, "año")
    names = [k for k in checkpoint.load(tmp_path / "entrenamiento.json")[0] if "extras" in k]
    assert "extras/x/y/anidado/0/x" in names


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"a": {"b": object()}}, ["extras['mal']", "a/b", "object", "tensores"]),
        ({"a": {(1, 2): 3}}, ["extras['mal']", "clave", "(1, 2)"]),
    ],
    ids=["valor", "clave"],
)
def test_un_extra_que_no_se_puede_guardar_se_rechaza_al_crear(state, words):
    with pytest.raises(TypeError) as caught:
        make(extras={"mal": Keeper(state)})
    for word in words:
        assert word in str(caught.value)


def test_un_extra_sin_state_dict_se_rechaza_al_crear():
    with pytest.raises(TypeError, match=r"extras\['lista'\].*state_dict.*load_state_dict.*list"):
        make(extras={"lista": [1]})


# --- extras que no encajan ----------------------------------------------------------------------


def assert_resume_changes_nothing(trainer, *words):
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    averaged = {k: v.clone() for k, v in trainer.ema_model.state_dict().items()}
    extras = {k: copy.deepcopy(e.state_dict()) for k, e in trainer.extras.items()}
    with pytest.raises(CheckpointError) as caught:
        trainer.resume()
    for word in ("entrenamiento.json", *words):
        assert word in str(caught.value)
    assert all(torch.equal(before[k], v) for k, v in trainer.model.state_dict().items())
    assert all(torch.equal(averaged[k], v) for k, v in trainer.ema_model.state_dict().items())
    for label, extra in trainer.extras.items():
        for key, value in extra.state_dict().items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(extras[label][key]))
    assert trainer.step == 0 and trainer.stream.seen == 0 and trainer.history == []
    assert trainer.optimizer.state_dict()["state"] == {}


def test_falta_un_extra_en_el_punto_de_control(tmp_path):
    make(tmp_path).fit(2)
    trainer = make(tmp_path, extras={"tiempos": Keeper({"a": torch.zeros(2)})})
    assert_resume_changes_nothing(trainer, "extra «tiempos»", "sin él")


def test_un_extra_que_rechaza_lo_guardado_no_deja_nada_a_medias(tmp_path):
    saved = {"bien": Keeper({"a": torch.ones(2)}), "mal": Keeper({"a": torch.ones(4)})}
    make(tmp_path, extras=saved).fit(2)
    extras = {
        "bien": Keeper({"a": torch.zeros(2)}, strict=True),
        "mal": Keeper({"a": torch.zeros(9)}, strict=True),
    }
    words = ("«mal»", "a tiene otra forma", "mismos argumentos")
    assert_resume_changes_nothing(make(tmp_path, extras=extras), *words)


def test_un_modulo_o_un_optimizador_de_otra_forma_se_explican(tmp_path):
    saved = nn.Linear(2, 3)
    make(tmp_path, extras={"critico": saved}).fit(1)
    assert_resume_changes_nothing(make(tmp_path, extras={"critico": nn.Linear(2, 4)}), "«critico»")
    optimizer = torch.optim.Adam(saved.parameters())
    make(tmp_path / "b", extras={"opt": optimizer}).fit(1)
    fewer = torch.optim.Adam([saved.weight])
    with pytest.raises(CheckpointError, match="«opt»"):
        make(tmp_path / "b", extras={"opt": fewer}).resume()


def test_tensores_de_un_extra_borrados_del_archivo_se_explican(tmp_path):
    path = tmp_path / "entrenamiento.json"
    make(tmp_path, extras={"x": Keeper({"a": torch.ones(2)})}).fit(1)
    tensors, info = checkpoint.load(path)
    del tensors["extras/x/a"]
    checkpoint.save(path, tensors, info, versioned=True)
    trainer = make(tmp_path, extras={"x": Keeper({"a": torch.zeros(2)})})
    assert_resume_changes_nothing(trainer, "«x»", "extras/x/a")


def test_un_extra_guardado_que_ya_no_se_declara_avisa(tmp_path):
    make(tmp_path, extras={"tiempos": Keeper({"a": torch.zeros(2)})}).fit(2)
    with pytest.warns(UserWarning, match=r"guarda extras .* no declara \(tiempos\)"):
        assert make(tmp_path).resume()


def test_la_ema_que_falta_se_descubre_antes_de_tocar_los_extras(tmp_path):
    make(tmp_path, extras={"x": Keeper({"a": torch.ones(2)})}).fit(1)
    path = tmp_path / "entrenamiento.json"
    tensors, info = checkpoint.load(path)
    del tensors["ema/net.1.running_mean"]
    checkpoint.save(path, tensors, info, versioned=True)
    trainer = make(tmp_path, extras={"x": Keeper({"a": torch.zeros(2)})})
    assert_resume_changes_nothing(trainer, "falta net.1.running_mean")
