"""Pasa los resultados de JSON a tablas de Markdown y las pone entre las marcas de README.md."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "resultados", FOLDER / "README.md"
FORMATS = {"contiguous": "NCHW", "channels_last": "NHWC"}


def table(header: list[str], rows: list[list[str]]) -> str:
    """Una tabla de Markdown; la primera columna a la izquierda y las demás a la derecha."""
    lines = [header, [":--"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def spread(value: dict, digits: int) -> str:
    """`mediana [mín, máx]`."""
    return f"{value['median']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def replace_region(text: str, name: str, content: str) -> str:
    """`text` con lo que hay entre las marcas de `name` cambiado por `content`."""
    start, end = f"<!-- {name}:inicio -->", f"<!-- {name}:fin -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"README.md debe tener una vez las marcas {start} y {end}.")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def caption(machine: dict) -> str:
    """Dónde y cuándo se midió."""
    return (
        f"{machine['date']} · {machine['cpu']}, {machine['cores']} núcleos, "
        f"{machine['capability']} · carga al empezar {machine['load']:.2f} · "
        f"Python {machine['python']}, torch {machine['torch']}, diffusers {machine['diffusers']}"
    )


def setting(row: dict) -> list[str]:
    """Las tres primeras columnas: hilos, precisión y formato."""
    return [str(row["threads"]), row["precision"], FORMATS[row["format"]]]


def peak(measured: dict) -> str:
    """`pico (lo que añade a la memoria tras importar)`, en MiB."""
    return f"{measured['peak']:.0f} ({measured['added']:.0f})"


def speed(result: dict) -> str:
    """Las tablas de `velocidad.json`."""
    costs = [
        [
            library,
            f"{value['parameters'] / 1e6:.3f}",
            f"{value['flops_forward'] / 1e6:.1f}",
            f"{value['flops_step'] / 1e6:.1f}",
        ]
        for library, value in result["cost"].items()
    ]
    train = [
        [
            *setting(row),
            spread(row["curso"]["images_per_second"], 1),
            spread(row["diffusers"]["images_per_second"], 1),
            spread(row["ratio"], 2),
            *[peak(row[library]) for library in ("curso", "diffusers")],
        ]
        for row in result["train"]
    ]
    sampling, overhead = [], []
    for row in result["sample"]:
        first = [str(row["batch"]), *setting(row)]
        pair = [row["curso"], row["diffusers"]]
        sampling.append(
            [
                *first,
                *[spread(one["images_per_second"], 2) for one in pair],
                spread(row["ratio"], 2),
                *[peak(one) for one in pair],
            ]
        )
        overhead.append(
            [
                *first,
                *[spread(one["overhead_percent"], 2) for one in pair],
                *[spread(one["overhead_ms"], 2) for one in pair],
                *[f"{one['network_ms']['median']:.1f}" for one in pair],
            ]
        )
    where = ["hilos", "precisión", "formato"]
    both = ["curso", "diffusers", "cociente", "pico curso", "pico diffusers"]
    return "\n\n".join(
        [
            caption(result["machine"]),
            "**Las redes.** Parámetros en millones; operaciones en MFLOP por imagen.",
            table(["red", "parámetros", "evaluación", "ida y vuelta"], costs),
            f"**Entrenamiento**, imágenes por segundo con lotes de {result['batch']}; memoria en "
            "MiB (entre paréntesis, sobre la que había tras importar).",
            table([*where, *both], train),
            f"**Muestreo**, imágenes por segundo con DDIM de {result['steps']} pasos.",
            table(["lote", *where, *both], sampling),
            "**Lo que añade el muestreador** a la red: en % de su tiempo y en ms por paso.",
            table(
                ["lote", *where, "% curso", "% diffusers", "ms curso", "ms diffusers"]
                + ["red curso (ms)", "red diffusers (ms)"],
                overhead,
            ),
            f"Cada valor es mediana [mín, máx] de {result['repetitions']} repeticiones alternadas; "
            "«cociente» es curso/diffusers repetición a repetición: mayor que 1, el curso es más "
            "rápido.",
        ]
    )


def quality(result: dict) -> str:
    """La tabla de `calidad.json`."""
    rows = [
        [
            row["library"],
            str(row["seed"]),
            str(row["steps"]),
            f"{row['images']}",
            f"{row['cpu_seconds'] / 60:.1f} ({row['wall_seconds'] / 60:.1f})",
            f"{row['test_loss']:.4f}",
            f"{row['frechet']:.2f}",
            f"{row['kernel']:.3f}",
        ]
        for row in result["runs"]
    ]
    floor = result["floor"]
    rows.append(["*suelo*"] + [""] * 5 + [f"{floor['frechet']:.2f}", f"{floor['kernel']:.3f}"])
    header = ["red", "semilla", "pasos", "imágenes", "min de CPU (reloj)", "pérdida de prueba"]
    return "\n\n".join(
        [
            caption(result["machine"]),
            f"{result['minutes']:g} minutos de CPU por red en un hilo, las dos a la vez; precisión "
            f"{result['precision']}, formato {FORMATS[result['format']]}; {result['samples']} "
            f"muestras con DDIM de {result['sampling_steps']} pasos.",
            table([*header, "Fréchet", "núcleo"], rows),
        ]
    )


def widgets(result: dict) -> str:
    """La tabla de `widgets.json`."""
    rows = [
        [
            row["chapter"],
            row["widget"],
            str(row["sliders"]),
            spread(row["ms"], 1),
            row["slowest"],
            spread(row["slowest_ms"], 1),
        ]
        for row in result["rows"]
    ]
    header = ["capítulo", "widget", "deslizadores", "ms por movimiento", "el más lento", "sus ms"]
    return "\n\n".join(
        [
            caption(result["machine"]),
            table(header, rows),
            f"Cada valor es mediana [mín, máx] de {result['positions']} posiciones por deslizador y "
            f"{result['repetitions']} aperturas de la página.",
        ]
    )


RENDER = {"velocidad": speed, "calidad": quality, "widgets": widgets}


def publish(name: str, result: dict, out: Path, readme: Path = README) -> None:
    """Escribe `result` en `out` y su tabla en `readme`."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    text = replace_region(readme.read_text(encoding="utf-8"), name, RENDER[name](result))
    readme.write_text(text, encoding="utf-8")
    print(f"Resultados en {out}; tabla en {readme}.")
