"""Datos: formatos, orden de búsqueda, descarga real desde un servidor local y archivos dañados."""

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets

from course_lib.data import DataError, _celeba, _idx, images, toy
from scripts import make_slice

HAS_SYSTEM = all(
    (_idx.SYSTEM["fashion-mnist"] / f"{name}.gz").is_file()
    for split in ("train", "test")
    for name in _idx.file_names(split)
)
needs_system = pytest.mark.skipif(
    not HAS_SYSTEM, reason="falta la copia del sistema: apt-get install dataset-fashion-mnist"
)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8], dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    """El formato IDX escrito a mano: 0, 0, tipo 8 (uint8), dimensiones y tamaños en big endian."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_set(folder: Path, compress: bool = True, pixels=PIXELS, labels=LABELS) -> Path:
    """Escribe los cuatro archivos de un conjunto diminuto; prueba = entrenamiento invertido."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, step in (("train", 1), ("test", -1)):
        for name, array in zip(_idx.file_names(split), (pixels, labels), strict=True):
            data = idx_bytes(array[::step])
            path = folder / (name + (".gz" if compress else ""))
            path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Todo lo que hay bajo `folder`, para comprobar que nada cambió."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Sin copia del sistema ni red: carpeta de datos vacía y espejos que rechazan la conexión."""
    monkeypatch.setenv("CURSO_DATOS", str(tmp_path / "cache"))
    monkeypatch.setattr(_idx, "SYSTEM", {"fashion-mnist": tmp_path / "sistema"})
    for dataset in (datasets.FashionMNIST, datasets.MNIST):
        monkeypatch.setattr(dataset, "mirrors", ["http://127.0.0.1:9/"])
    return tmp_path


# --- lectura ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [True, False], ids=["gz", "extraído"])
@pytest.mark.parametrize("name", ["fashion-mnist", "mnist"])
@pytest.mark.parametrize("place", ["nombre", "raw"])
def test_lee_pixeles_y_etiquetas_exactos_de_los_dos_formatos(alone, name, compress, place):
    root = alone / "mis datos"
    folder = root / _idx.CLASSES[name].__name__ / "raw" if place == "raw" else root / name
    write_set(folder, compress)
    data = images.load(name, "train", root=root)
    assert data.images.dtype == torch.uint8 and data.labels.dtype == torch.int64
    np.testing.assert_array_equal(data.images[:, 0].numpy(), PIXELS)
    np.testing.assert_array_equal(data.labels.numpy(), LABELS)
    test = images.load(name, "test", root=root)
    np.testing.assert_array_equal(test.images[:, 0].numpy(), PIXELS[::-1])
    assert str(folder) in data.source and "12 imágenes de entrenamiento" in data.source
    assert "completo" not in data.source


def test_coincide_con_la_clase_de_torchvision_sobre_los_mismos_archivos(alone):
    write_set(alone / "FashionMNIST" / "raw", compress=False)
    theirs = datasets.FashionMNIST(str(alone), train=True)
    ours = images.load(root=alone)
    assert torch.equal(ours.images[:, 0], theirs.data) and torch.equal(ours.labels, theirs.targets)
    assert len(ours.class_names) == len(theirs.classes)


@needs_system
def test_la_copia_del_sistema_es_fashion_mnist():
    train, test = images.load(split="train", source="system"), images.load(split="test")
    assert train.images.shape == (60_000, 1, 28, 28) and test.images.shape == (10_000, 1, 28, 28)
    assert torch.bincount(train.labels).tolist() == [6000] * 10
    assert torch.bincount(test.labels).tolist() == [1000] * 10
    # Media y desviación publicadas del conjunto de entrenamiento: 0.2860 y 0.3530.
    count = torch.bincount(train.images.flatten(), minlength=256).double()
    value = torch.arange(256).double() / 255
    mean = (count * value).sum() / count.sum()
    std = ((count * (value - mean) ** 2).sum() / count.sum()).sqrt()
    assert mean.item() == pytest.approx(0.2860, abs=5e-5)
    assert std.item() == pytest.approx(0.3530, abs=5e-5)
    assert [train.class_names[c] for c in train.labels[:3]] == ["botín", "camiseta", "camiseta"]
    assert "completo" in train.source and "60\u202f000" in train.source


def test_limit_y_size(alone):
    write_set(alone / "fashion-mnist")
    data = images.load(root=alone, limit=5, size=32)
    assert data.images.shape == (5, 1, 32, 32) and data.images.dtype == torch.uint8
    assert data.labels.tolist() == LABELS[:5].tolist()
    flat = np.full_like(PIXELS, 77)
    write_set(alone / "liso" / "fashion-mnist", pixels=flat)
    assert (images.load(root=alone / "liso", size=20).images == 77).all()


# --- orden de búsqueda --------------------------------------------------------------------------


def test_primero_la_carpeta_dada_luego_la_cache_y_al_final_la_muestra(alone, monkeypatch):
    with pytest.warns(UserWarning, match="muestra pequeña"):
        assert "muestra incluida" in images.load().source
    write_set(alone / "cache" / "fashion-mnist", pixels=PIXELS // 2)
    assert str(alone / "cache") in images.load().source
    write_set(alone / "mia" / "fashion-mnist")
    assert str(alone / "mia") in images.load(root=alone / "mia").source


def test_sin_red_ni_copia_fashion_mnist_usa_la_muestra_y_avisa(alone, recwarn):
    data = images.load(split="test")
    assert len(data) == 1000 and "muestra incluida" in data.source
    message = str(recwarn[0].message)
    assert f"no hay copia local en {alone / 'cache' / 'fashion-mnist'}" in message
    assert snapshot(alone / "cache") == {} and not list((alone / "cache").iterdir())


def test_la_muestra_pedida_no_avisa(alone, recwarn):
    assert len(images.load(source="slice")) == 2000
    assert not recwarn.list


@pytest.mark.parametrize("name", ["mnist", "celeba"])
def test_sin_red_ni_copia_los_demas_dan_un_error_claro(alone, name, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("sin red")

    monkeypatch.setattr(_celeba.CelebA, "download", offline)
    with pytest.raises(DataError, match="no se pudo descargar|falló la descarga") as caught:
        images.load(name)
    assert str(alone / "cache") in str(caught.value)


@pytest.mark.parametrize("source", ["cache", "system"])
def test_un_lugar_pedido_que_no_tiene_los_datos_es_un_error(alone, source):
    with pytest.raises(DataError, match='source="auto"'):
        images.load(source=source)


@pytest.mark.parametrize("place", [".", "fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_no_pasa_por_mnist(alone, place):
    """Los dos conjuntos usan los mismos nombres de archivo: solo la carpeta los distingue."""
    write_set(alone / place)
    with pytest.raises(DataError, match="No hay copia"):
        images.load("mnist", source="cache", root=alone)
    with pytest.raises(DataError) as caught:
        images.load("mnist", root=alone)
    assert f"en {alone / 'mnist'}" in str(caught.value)
    write_set(alone / "mnist", pixels=255 - PIXELS)  # donde el mensaje dice, sí
    data = images.load("mnist", root=alone)
    np.testing.assert_array_equal(data.images[:, 0].numpy(), 255 - PIXELS)


# --- descarga real por torchvision, desde un servidor local -------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(alone, monkeypatch):
    """Sirve los cuatro .gz y enseña a torchvision su dirección y sus MD5 verdaderos."""
    folder = write_set(alone / "servidor")
    md5 = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    for dataset in (datasets.FashionMNIST, datasets.MNIST):
        monkeypatch.setattr(dataset, "mirrors", [f"http://127.0.0.1:{http.server_port}/"])
        monkeypatch.setattr(dataset, "resources", sorted(md5.items()))
    yield folder
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist"])
def test_descarga_comprueba_y_guarda_en_la_cache(alone, server, name):
    data = images.load(name)
    np.testing.assert_array_equal(data.images[:, 0].numpy(), PIXELS)
    assert "descargado" in data.source
    raw = alone / "cache" / _idx.CLASSES[name].__name__ / "raw"
    assert sorted(p.name for p in raw.iterdir()) == sorted(p.name for p in server.iterdir())
    assert list((alone / "cache").iterdir()) == [raw.parent]
    for path in server.iterdir():
        path.unlink()  # la segunda carga ya no necesita el servidor
    assert "copia local" in images.load(name, "test").source


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:50] + b"\0" + b[51:], None])
def test_una_descarga_danada_no_deja_nada(alone, server, damage):
    """Truncada, alterada o ausente: el MD5 la descubre y la carpeta queda como estaba."""
    victim = server / "t10k-images-idx3-ubyte.gz"
    victim.unlink() if damage is None else victim.write_bytes(damage(victim.read_bytes()))
    (alone / "cache").mkdir()
    (alone / "cache" / "otra cosa.txt").write_text("intacta")
    before = snapshot(alone / "cache")
    with pytest.raises(DataError, match="No se pudo descargar fashion-mnist"):
        images.load(source="download")
    assert snapshot(alone / "cache") == before
    assert len(list((alone / "cache").iterdir())) == 1


def test_ctrl_c_en_la_descarga_no_deja_nada(alone, server, monkeypatch):
    def interrupt(self):
        folder = Path(self.raw_folder)
        folder.mkdir(parents=True)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(b"a medias")
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets.FashionMNIST, "download", interrupt)
    with pytest.raises(KeyboardInterrupt):
        images.load()
    assert not list((alone / "cache").iterdir())


# --- archivos dañados ---------------------------------------------------------------------------


def damaged(path: Path, data: bytes, **options) -> str:
    """Pone `data` en `path`, carga y devuelve el mensaje; comprueba que nada se tocó."""
    path.write_bytes(data)
    before = snapshot(path.parent)
    with pytest.raises(DataError) as caught:
        images.load(root=path.parent.parent, **options)
    assert snapshot(path.parent) == before
    assert str(path) in str(caught.value) and "borrarlo" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compress", [True, False], ids=["gz", "extraído"])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fraction=st.floats(0, 0.999), which=st.integers(0, 1))
def test_truncado_en_cualquier_punto_nombra_el_archivo(alone, compress, fraction, which):
    write_set(alone / "fashion-mnist", compress)
    path = alone / "fashion-mnist" / (_idx.file_names("train")[which] + (".gz" if compress else ""))
    data = path.read_bytes()
    damaged(path, data[: int(fraction * len(data))])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.floats(0, 0.999))
def test_un_bit_cambiado_en_el_cuerpo_del_gz_se_descubre(alone, position):
    write_set(alone / "fashion-mnist")
    path = alone / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    data = bytearray(path.read_bytes())
    data[10 + int(position * (len(data) - 18))] ^= 1
    damaged(path, bytes(data))


def test_otro_contenido_se_explica(alone):
    folder = write_set(alone / "fashion-mnist", compress=False)
    pixels, labels = (folder / name for name in _idx.file_names("train"))
    good = pixels.read_bytes(), labels.read_bytes()
    damaged(pixels, b"<html>404</html>" * 100)
    assert "(12, 20, 20)" in damaged(pixels, idx_bytes(PIXELS[:, :20, :20]))
    damaged(pixels, struct.pack(">BBBBI", 0, 0, 13, 1, 4) + b"\0" * 16)  # float32 de 1 dimensión
    damaged(pixels, b"")
    pixels.write_bytes(good[0])
    assert "11 etiquetas" in damaged(labels, idx_bytes(LABELS[:11]))
    assert "etiqueta 77" in damaged(labels, idx_bytes(np.where(LABELS == 9, 77, LABELS)))
    labels.write_bytes(good[1])
    assert len(images.load(root=alone)) == 12


def test_la_copia_del_sistema_incompleta_se_rechaza_y_dice_como_reponerla(alone):
    write_set(alone / "sistema")
    with pytest.raises(DataError, match="debe tener 60000 imágenes y tiene 12.*apt-get"):
        images.load()


def test_la_muestra_danada_se_nombra(alone, monkeypatch):
    path = alone / "muestra.npz"
    path.write_bytes(images.SLICE.read_bytes()[:-5000])
    monkeypatch.setattr(images, "SLICE", path)
    with pytest.raises(DataError, match="muestra.npz.*reinstalar"):
        images.load(source="slice")


# --- la muestra incluida ------------------------------------------------------------------------


def test_la_muestra_esta_equilibrada_y_pesa_poco():
    train, test = images.load(source="slice"), images.load(split="test", source="slice")
    assert train.labels[:20].tolist() == 2 * list(range(10))
    assert torch.bincount(train.labels).tolist() == [200] * 10
    assert torch.bincount(test.labels).tolist() == [100] * 10
    assert images.SLICE.stat().st_size < 1.3e6
    assert "MIT" in (images.SLICE.parent / "LICENSE-fashion-mnist.md").read_text(encoding="utf-8")


@needs_system
def test_la_muestra_sale_otra_vez_identica_de_los_datos_completos(tmp_path):
    arrays = {}
    for split, per_class in make_slice.PER_CLASS.items():
        part = make_slice.balanced(images.load(split=split, source="system"), per_class)
        arrays[f"{split}_images"] = part.images[:, 0].numpy()
        arrays[f"{split}_labels"] = part.labels.to(torch.uint8).numpy()
        shipped = images.load(split=split, source="slice")
        assert torch.equal(shipped.images, part.images) and torch.equal(shipped.labels, part.labels)
    small = {name: array[:50] for name, array in arrays.items()}
    make_slice.write(tmp_path / "a.npz", small)
    make_slice.write(tmp_path / "b.npz", small)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# --- CelebA -------------------------------------------------------------------------------------


@pytest.fixture
def celeba(alone, monkeypatch):
    """Ocho rostros falsos de 178 × 218 en el formato de CelebA; solo cambian los MD5 esperados."""
    folder = alone / "cache" / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(1, 9)]
    rows, columns = np.mgrid[0:218, 0:178]
    for i, name in enumerate(names):
        pixels = np.stack([rows, columns, np.full_like(rows, 20 * i)], 2).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "img_align_celeba" / name, quality=95)
    header = "Eyeglasses Smiling Young"
    attributes = [f"{n} 1 {'1' if i % 2 else '-1'} -1" for i, n in enumerate(names)]
    texts = {
        "list_attr_celeba.txt": ["8", header, *attributes],
        "identity_CelebA.txt": [f"{n} {i}" for i, n in enumerate(names)],
        "list_bbox_celeba.txt": [
            "8",
            "image_id x_1 y_1 width height",
            *(f"{n} 0 0 1 1" for n in names),
        ],
        "list_landmarks_align_celeba.txt": ["8", "a b", *(f"{n} 0 0" for n in names)],
        "list_eval_partition.txt": [f"{n} {s}" for n, s in zip(names, "00011222", strict=True)],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    listed = [
        (file_id, hashlib.md5((folder / name).read_bytes()).hexdigest(), name)
        for file_id, _, name in _celeba.CelebA.file_list
        if name in texts
    ]
    monkeypatch.setattr(_celeba.CelebA, "file_list", listed)
    return folder


def test_celeba_particiones_etiquetas_y_recorte_central(celeba):
    counts = {split: len(images.load("celeba", split)) for split in ("train", "valid", "test")}
    assert counts == {"train": 3, "valid": 2, "test": 3}
    data = images.load("celeba", "train")
    assert data.images.shape == (3, 3, 64, 64) and data.labels.tolist() == [0, 1, 0]
    # El canal 0 es la fila y el 1 la columna. El recorte empieza en (218 − 140)/2 = 39 y
    # (178 − 140)/2 = 19, y el píxel i promedia alrededor de (i + 1/2)·140/64 − 1/2.
    center = (torch.arange(64) + 0.5) * 140 / 64 - 0.5
    inner = slice(2, -2)
    rows = data.images[0, 0, inner, 30].float()
    columns = data.images[0, 1, 30, inner].float()
    torch.testing.assert_close(rows, (39 + center)[inner], rtol=0, atol=2.5)
    torch.testing.assert_close(columns, (19 + center)[inner], rtol=0, atol=2.5)
    blue = data.images[:, 2].float().mean((1, 2))
    torch.testing.assert_close(blue, torch.tensor([0.0, 20.0, 40.0]), rtol=0, atol=3)
    assert images.load("celeba", limit=2, size=32).images.shape == (2, 3, 32, 32)


def test_celeba_danada_se_nombra(celeba):
    victim = celeba / "img_align_celeba" / "000002.jpg"
    good = victim.read_bytes()
    victim.write_bytes(good[: len(good) // 3])
    with pytest.raises(DataError, match="000002.jpg"):
        images.load("celeba")
    victim.unlink()
    with pytest.raises(DataError, match="000002.jpg"):
        images.load("celeba")
    victim.write_bytes(good)
    (celeba / "list_attr_celeba.txt").write_text("otra cosa")
    with pytest.raises(DataError, match="list_attr_celeba.txt.*MD5"):
        images.load("celeba")


@pytest.mark.parametrize("complete", [True, False])
def test_celeba_ya_presente_no_se_descarga_otra_vez(celeba, monkeypatch, complete):
    """Si la carpeta ya está, se dice antes de bajar 1.4 GB, y no se toca."""
    if not complete:
        (celeba / "list_attr_celeba.txt").unlink()
    downloads = []
    monkeypatch.setattr(_celeba.CelebA, "download", lambda self: downloads.append(1))
    before = snapshot(celeba)
    with pytest.raises(DataError, match='ya existe.*source="cache".*apartarla'):
        images.load("celeba", source="download" if complete else "auto")
    assert downloads == [] and snapshot(celeba) == before


def test_celeba_ausente_dice_que_archivos_hacen_falta(alone):
    with pytest.raises(DataError, match="img_align_celeba.*list_eval_partition.txt"):
        images.load("celeba", source="cache")


# --- escala -------------------------------------------------------------------------------------


def test_to_model_y_to_uint8_son_inversas_en_los_256_valores():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    x = images.to_model(pixels)
    assert x.min() == -1 and x.max() == 1 and x.dtype == torch.float32
    torch.testing.assert_close(x.flatten()[51], torch.tensor(-0.6))
    assert torch.equal(images.to_uint8(x), pixels)
    assert images.to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_select_y_to_model_de_los_datos():
    data = images.load(split="test", source="slice")
    part = data.select(data.labels == 8)
    assert len(part) == 100 and set(part.labels.tolist()) == {8} and part.source == data.source
    assert torch.equal(part.to_model(), data.to_model()[data.labels == 8])


def test_escala_equivocada():
    with pytest.raises(TypeError, match="uint8.*float32"):
        images.to_model(torch.zeros(2, 2))
    with pytest.raises(TypeError, match="to_model"):
        images.check_model_range(torch.zeros(2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="x contiene 1 valores NaN"):
        images.to_uint8(torch.tensor([0.0, float("nan")]))
    with pytest.warns(UserWarning, match="llega a 255"):
        images.check_model_range(torch.tensor([255.0]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "cifar"}, ["name", "cifar", "fashion-mnist"]),
        ({"split": "valid"}, ["split", "valid", "train", "test"]),
        ({"source": "nube"}, ["source", "nube", "slice"]),
        ({"limit": 0}, ["limit", "0"]),
        ({"size": -3}, ["size", "-3"]),
    ],
)
def test_argumentos_que_no_existen(options, words):
    with pytest.raises(ValueError) as caught:
        images.load(**options)
    assert all(word in str(caught.value) for word in words)


# --- conjuntos 2-D ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", toy.NAMES)
def test_juguetes_centrados_y_de_escala_uno(name):
    """Media 0 y E‖x‖²/2 = 1 dentro de cinco errores estándar."""
    n = 100_000
    x = toy.load(name, n, 0).double()
    assert x.shape == (n, 2)
    assert (x.mean(0).abs() < 5 * x.std(0) / n**0.5).all()
    energy = x.square().sum(1) / 2
    assert abs(energy.mean() - 1) < 5 * energy.std() / n**0.5


@pytest.mark.parametrize("name", toy.NAMES)
def test_juguetes_reproducibles_con_semilla_o_generador(name):
    a, b = toy.load(name, 50, 3), toy.load(name, 50, torch.Generator().manual_seed(3))
    assert torch.equal(a, b) and not torch.equal(a, toy.load(name, 50, 4))


def test_ocho_gaussianas_es_la_mezcla_exacta():
    mixture = toy.eight_gaussians(torch.float64)
    torch.testing.assert_close(mixture.cov, torch.eye(2, dtype=torch.float64))
    x, parts = toy.load("ocho-gaussianas", 20_000, 0, labels=True)
    shift = (x - mixture.means.float()[parts]) / 0.1
    assert abs(shift.square().sum(1).mean() - 2) < 0.1  # χ² con 2 grados de libertad
    log_prob = mixture.log_prob(x.double())
    other = mixture.log_prob(mixture.sample(20_000, torch.Generator().manual_seed(1)))
    assert abs(log_prob.mean() - other.mean()) < 5 * other.std() * (2 / 20_000) ** 0.5


def test_el_tablero_solo_ocupa_las_casillas_negras():
    x, parts = toy.load("tablero", 8000, 0, labels=True)
    cell = (x * 2 / 3**0.5 + 2).floor().long()
    assert cell.min() >= 0 and cell.max() <= 3
    assert ((cell.sum(1) % 2) == 0).all()
    assert torch.bincount(parts).min() > 850 and len(parts.unique()) == 8


def test_los_anillos_tienen_tres_radios_en_proporcion_a_su_longitud():
    x, parts = toy.load("anillos", 30_000, 0, labels=True)
    means = torch.stack([x[parts == i].norm(dim=1).mean() for i in range(3)])
    torch.testing.assert_close(means / means[0], torch.tensor([1.0, 2.0, 3.0]), rtol=0.01, atol=0)
    share = torch.bincount(parts) / 30_000
    torch.testing.assert_close(share, torch.tensor([1, 2, 3]) / 6, rtol=0.05, atol=0)


def test_juguete_desconocido_o_n_invalido():
    with pytest.raises(ValueError, match="name='luna'.*espiral.*lunas"):
        toy.load("luna", 10)
    with pytest.raises(ValueError, match="n debe ser un entero positivo"):
        toy.load("lunas", 0)
