"""Puntos de control: completos, comprobados y nunca a medias."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from tiny_training import (
    Wrapped,
    assert_same_bits,
    denoise,
    images,
    make,
    saved_step,
    un_hilo,  # noqa: F401  (se aplica sola)
)
from torch import nn

from course_lib.training import CheckpointError, Trainer, checkpoint


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    shared = torch.randn(4, 6)
    return {
        "doble": torch.randn(3, 2, dtype=torch.float64),
        "bf16": torch.randn(5).to(torch.bfloat16),
        "entero": torch.tensor(2**40),
        "lógico": torch.tensor([True, False]),
        "traspuesto": shared.T,
        "compartido": shared,
        "canales": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "vacío": torch.empty(0, 2),
    }


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]), key


@pytest.mark.parametrize("versioned", [False, True])
def test_ida_y_vuelta_exacta(tmp_path, tensors, versioned):
    path = tmp_path / "red.json"
    target = checkpoint.save(path, tensors, {"paso": 3, "nota": "año"}, versioned=versioned)
    loaded, info = checkpoint.load(path)
    assert_equal(loaded, tensors)
    assert info["paso"] == 3 and info["nota"] == "año" and info["tensores"] == target.name
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, target.name])
    if not versioned:
        assert target.name == "red.safetensors"
        assert_equal(checkpoint.load(target)[0], tensors)  # vale nombrar cualquiera de los dos


def test_la_version_nueva_sustituye_a_la_vieja(tmp_path):
    for value in (1.0, 2.0, 2.0, 3.0):
        checkpoint.save(tmp_path / "r.json", {"a": torch.tensor(value)}, {}, versioned=True)
        assert checkpoint.load(tmp_path / "r.json")[0]["a"] == value
        assert len(list(tmp_path.iterdir())) == 2


# --- archivos dañados ---------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "red.json"
    return path, checkpoint.save(path, {"a": torch.arange(50.0)}, {"paso": 1})


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
@pytest.mark.parametrize("described", [True, False], ids=["con suma", "sin suma"])
def test_tensores_truncados(saved, keep, described):
    path, target = saved
    if not described:  # un JSON escrito a mano: lo descubre el propio formato
        path.write_text("{}")
    size = target.stat().st_size
    target.write_bytes(target.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncado") as caught:
        checkpoint.load(path)
    assert str(target) in str(caught.value) and "volver a obtenerlo" in str(caught.value)
    if described:
        assert f"bytes de {size}" in str(caught.value)


def test_un_bit_cambiado_se_descubre_por_la_suma(saved):
    path, target = saved
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)
    with pytest.raises(CheckpointError, match="dañado.*SHA-256"):
        checkpoint.load(path)


def test_json_truncado_o_de_otra_cosa(saved):
    path, _ = saved
    path.write_text(path.read_text()[:-20])
    with pytest.raises(CheckpointError, match="no es JSON válido"):
        checkpoint.load(path)
    path.write_text("[1, 2]")
    with pytest.raises(CheckpointError, match="no describe un punto de control"):
        checkpoint.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="no es JSON válido"):
        checkpoint.load(path)


def test_falta_un_archivo(saved):
    path, target = saved
    target.unlink()
    with pytest.raises(CheckpointError, match=r"red\.safetensors: no existe"):
        checkpoint.load(path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"red\.json: no existe"):
        checkpoint.load(path)


class Trap:
    """Al deserializarse con pickle deja un archivo: la huella de código ajeno ejecutado."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


def test_leer_nunca_ejecuta_pickle(tmp_path):
    mark = tmp_path / "ejecutado"
    (tmp_path / "red.json").write_text("{}")
    for write in (lambda p: p.write_bytes(pickle.dumps(Trap(mark))), lambda p: torch.save({}, p)):
        write(tmp_path / "red.safetensors")
        with pytest.raises(CheckpointError, match="no es safetensors"):
            checkpoint.load(tmp_path / "red.json")
    assert not mark.exists()


def test_el_json_no_puede_senalar_fuera_de_su_carpeta(tmp_path):
    inside = tmp_path / "dentro"
    checkpoint.save(tmp_path / "ajeno.json", {"a": torch.ones(1)}, {})
    inside.mkdir()
    (inside / "red.json").write_text('{"tensores": "../ajeno.safetensors"}')
    with pytest.raises(CheckpointError, match=r"dentro/ajeno\.safetensors: no existe"):
        checkpoint.load(inside / "red.json")


# --- arquitecturas ------------------------------------------------------------------------------


def test_otra_arquitectura_enumera_las_diferencias_y_no_cambia_nada():
    small = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {k: v.clone() for k, v in small.state_dict().items()}
    state = checkpoint.state_of(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1)))
    del state["1.bias"]
    state["2.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_state(small, state, "red.json")
    message = str(caught.value)
    for text in (
        "red.json es de otra arquitectura que Sequential (5 diferencias)",
        "falta 1.bias",
        "sobra 2.weight",
        "0.weight tiene forma (4, 2) y la red espera (3, 2)",
    ):
        assert text in message
    assert_equal(before, dict(small.state_dict()))


def test_las_claves_de_un_modelo_compilado_son_las_del_modelo():
    model = Wrapped()
    inner = torch.compile(model, backend="eager")
    assert any("_orig_mod." in key for key in inner.state_dict())
    assert list(checkpoint.state_of(inner)) == list(model.state_dict())
    state = {k: torch.full_like(v, 2) for k, v in model.state_dict().items()}
    checkpoint.load_state(inner, state, "prueba")
    assert_equal(dict(model.state_dict()), state)


# --- escrituras que fallan ----------------------------------------------------------------------


@contextmanager
def full_disk(limit):
    """Ningún archivo puede pasar de `limit` bytes: el sistema corta la escritura a mitad."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("versioned", [False, True])
def test_disco_lleno_de_verdad_deja_intacto_lo_anterior(tmp_path, versioned):
    path = tmp_path / "red.json"
    checkpoint.save(path, {"a": torch.zeros(10)}, {"paso": 1}, versioned=versioned)
    before = contents(tmp_path)
    with full_disk(2000), pytest.raises(CheckpointError, match="no queda espacio") as caught:
        checkpoint.save(path, {"a": torch.ones(10_000)}, {"paso": 2}, versioned=versioned)
    assert contents(tmp_path) == before
    assert "liberar espacio" in str(caught.value)
    assert checkpoint.load(path)[1]["paso"] == 1


def fail_at(monkeypatch, function, call, error):
    """Hace que la llamada número `call` a `os.function` lance `error`."""
    real, calls = getattr(os, function), []

    def wrapper(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise error
        return real(*arguments)

    monkeypatch.setattr(os, function, wrapper)


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("file", [1, 2], ids=["tensores", "json"])
def test_sin_espacio_en_cualquier_momento(tmp_path, monkeypatch, function, file):
    trainer = make(tmp_path).fit(3)
    before = contents(tmp_path)
    fail_at(monkeypatch, function, file, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(CheckpointError, match="no queda espacio"):
        trainer.fit(2)
    assert contents(tmp_path) == before and saved_step(tmp_path) == 3
    monkeypatch.undo()
    trainer.save()  # con espacio, el mismo entrenador sigue
    assert saved_step(tmp_path) == 5 and len(contents(tmp_path)) == 2
    resumed = make(tmp_path)
    resumed.resume()
    assert_same_bits(make().fit(), resumed.fit())


@pytest.mark.parametrize("versioned", [False, True])
def test_si_no_cabe_el_json_los_tensores_anteriores_siguen_siendo_los_suyos(tmp_path, versioned):
    path = tmp_path / "w.json"
    checkpoint.save(path, {"a": torch.zeros(4)}, {"paso": 1}, versioned=versioned)
    before = contents(tmp_path)
    with full_disk(2000), pytest.raises(CheckpointError, match="no queda espacio") as caught:
        info = {"paso": 2, "nota": "x" * 4000}  # los tensores caben y el JSON no
        checkpoint.save(path, {"a": torch.ones(4)}, info, versioned=versioned)
    assert "w.json" in str(caught.value) and "Lo anterior sigue intacto" in str(caught.value)
    assert contents(tmp_path) == before
    loaded, info = checkpoint.load(path)
    assert info["paso"] == 1 and loaded["a"].sum() == 0


def test_si_falla_entre_los_dos_cambios_de_nombre_el_mensaje_lo_dice(tmp_path, monkeypatch):
    """Con un par sin versión es el único hueco que queda, y no se llama «intacto» a lo perdido."""
    path = tmp_path / "w.json"
    checkpoint.save(path, {"a": torch.zeros(4)}, {"paso": 1})
    fail_at(monkeypatch, "replace", 2, OSError(errno.EACCES, "Permission denied"))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.save(path, {"a": torch.ones(4)}, {"paso": 2})
    message = str(caught.value)
    assert "intacto" not in message and "w.safetensors ya es el nuevo" in message
    assert "Permission denied" in message and "repetir" in message


@pytest.mark.parametrize("versioned", [False, True])
def test_una_carpeta_que_no_se_puede_sincronizar_no_echa_a_perder_lo_guardado(
    tmp_path, monkeypatch, versioned
):
    """Pasa en carpetas de red: los archivos ya están en su sitio y el par debe seguir completo."""
    path = tmp_path / "w.json"
    checkpoint.save(path, {"a": torch.zeros(4)}, {"paso": 1}, versioned=versioned)
    real, folder = os.fsync, os.stat(tmp_path).st_ino

    def fsync(descriptor):
        if os.fstat(descriptor).st_ino == folder:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    checkpoint.save(path, {"a": torch.ones(4)}, {"paso": 2}, versioned=versioned)
    loaded, info = checkpoint.load(path)
    assert info["paso"] == 2 and loaded["a"].sum() == 4


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_guardar_solo_borra_lo_suyo(tmp_path):
    """Ni los pesos de nombre parecido, ni los restos de otros, ni lo que otro está escribiendo."""
    version, dead = "0123456789ab", dead_pid()
    foreign = [
        "ddpm-fashion.json",
        "ddpm-fashion.safetensors",
        f"ddpm-fashion-{version}.safetensors",
        "ddpm-0123.safetensors",
        "ddpmX.safetensors",
        ".otro.tmp",
        f".otro.json.{dead}.tmp",
        f".ddpm-fashion.json.{dead}.tmp",
        f".ddpm-{version}.safetensors.{os.getppid()}.tmp",  # de un proceso vivo
        f".ddpm.json.{os.getppid()}.tmp",
    ]
    own = [
        f"ddpm-{version}.safetensors",
        f".ddpm-{version}.safetensors.{dead}.tmp",
        f".ddpm.json.{dead}.tmp",
    ]
    for name in foreign + own:
        (tmp_path / name).write_text("x")
    target = checkpoint.save(tmp_path / "ddpm.json", {"a": torch.ones(1)}, {}, versioned=True)
    expected = {*foreign, "ddpm.json", target.name}
    assert {p.name for p in tmp_path.iterdir()} == expected


def test_un_nombre_con_signos_de_patron_tambien_limpia_lo_suyo(tmp_path):
    for value in (1.0, 2.0):
        checkpoint.save(tmp_path / "r[1]+.json", {"a": torch.tensor(value)}, {}, versioned=True)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_un_corte_entre_los_dos_archivos_deja_valido_el_anterior(tmp_path, monkeypatch, error):
    path = tmp_path / "r.json"
    checkpoint.save(path, {"a": torch.zeros(2)}, {"paso": 1}, versioned=True)
    fail_at(monkeypatch, "replace", 2, error())
    with pytest.raises(error):
        checkpoint.save(path, {"a": torch.ones(2)}, {"paso": 2}, versioned=True)
    loaded, info = checkpoint.load(path)
    assert info["paso"] == 1 and loaded["a"].sum() == 0
    assert not list(tmp_path.glob(".*.tmp"))
    monkeypatch.undo()
    rest = f".r-0123456789ab.safetensors.{dead_pid()}.tmp"
    (tmp_path / rest).write_text("resto de un proceso matado")
    checkpoint.save(path, {"a": torch.full((2,), 2.0)}, {"paso": 3}, versioned=True)
    assert len(list(tmp_path.iterdir())) == 2  # y la siguiente escritura limpia los restos


def test_carpeta_imposible(tmp_path):
    (tmp_path / "archivo").write_text("x")
    with pytest.raises(CheckpointError, match="No se pudo guardar.*otra carpeta"):
        make(tmp_path / "archivo" / "dentro").save()


# --- reponer un entrenamiento -------------------------------------------------------------------


def edit(folder, **changes):
    path = folder / "entrenamiento.json"
    info = json.loads(path.read_text())
    info.update(changes)
    path.write_text(json.dumps({k: v for k, v in info.items() if v != "borrar"}))


def rewrite(folder, change):
    """Vuelve a escribir el punto de control tras aplicar `change` a sus tensores."""
    tensors, info = checkpoint.load(folder / "entrenamiento.json")
    change(tensors)
    checkpoint.save(folder / "entrenamiento.json", tensors, info, versioned=True)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("modelo/net.0.weight", "falta net.0.weight"),
        ("ema/net.1.running_mean", "falta net.1.running_mean"),
        ("historia", "faltan ['historia']"),
    ],
)
def test_falta_una_clave_del_entrenamiento(tmp_path, key, text):
    make(tmp_path).fit(2)
    rewrite(tmp_path, lambda tensors: tensors.pop(key))
    trainer = make(tmp_path)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        trainer.resume()
    assert text in str(caught.value) and "entrenamiento.json" in str(caught.value)
    assert_equal(before, dict(trainer.model.state_dict()))
    assert trainer.step == 0 and trainer.stream.seen == 0


def test_otra_red_otro_optimizador_u_otro_formato(tmp_path):
    make(tmp_path).fit(2)
    wide = Trainer(Wrapped(width=8), denoise, images(), checkpoint_dir=tmp_path, progress=False)
    with pytest.raises(CheckpointError, match=r"net\.0\.weight tiene forma \(6, 1, 3, 3\)"):
        wide.resume()
    sgd = make(tmp_path, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    with pytest.raises(CheckpointError, match="optimizador Adam y este Trainer usa SGD"):
        sgd.resume()
    rewrite(tmp_path, lambda t: t.update({"optimizador/0/exp_avg": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match="0/exp_avg del optimizador"):
        make(tmp_path).resume()
    edit(tmp_path, formato="otro/9")
    with pytest.raises(CheckpointError, match="'otro/9'"):
        make(tmp_path).resume()
    edit(tmp_path, formato="curso-difusion/entrenamiento/1", paso="borrar")
    with pytest.raises(CheckpointError, match=r"faltan \['paso'\]"):
        make(tmp_path).resume()


def test_sin_ema_guardada_lo_dice(tmp_path):
    make(tmp_path, ema=None).fit(2)
    with pytest.raises(CheckpointError, match="ema=None"):
        make(tmp_path).resume()


def test_cambiar_ajustes_avisa(tmp_path):
    make(tmp_path).fit(2)
    with pytest.warns(UserWarning, match=r"lr: 0\.01 → 0\.02; seed: 0 → 4"):
        make(tmp_path, lr=0.02, seed=4).resume()


def test_empezar_de_cero_sobre_un_entrenamiento_anterior_avisa(tmp_path, capsys):
    trainer = make(tmp_path, progress=True)
    assert trainer.resume() is False
    assert "se empieza de cero" in capsys.readouterr().out
    trainer.fit(2)
    with pytest.warns(UserWarning, match="que este reemplazará"):
        make(tmp_path).fit(1)
    assert saved_step(tmp_path) == 1
