"""Los errores que no están en ningún catálogo: lo que la comprobación dice de ellos."""

import pytest
import torch
from checks_harness import EXERCISES, NAMES, altered, verdict

from course_lib.checks import diagnosis
from course_lib.checks.attempt import part_of, run
from course_lib.checks.core import RIGHT, WRONG


def commits(name, wrong, f):
    """Si, en alguna salida, `f` se aparta del oráculo y responde lo mismo que `wrong`."""
    cases = [case.args for case in EXERCISES[name].cases()]
    names = [str(i) for i in range(len(cases[0]))]
    functions = (f, wrong, EXERCISES[name].oracle)
    answers = [[run(h, args, names) for args in cases] for h in functions]
    for i in range(len(EXERCISES[name].parts)):
        got, blamed, right = (part_of(outcomes, i) for outcomes in answers)
        if diagnosis.alike(got, blamed, False) and not diagnosis.alike(got, right, False):
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: -x, "el signo está cambiado"),
        (lambda x: 4 * x, "factor constante 4"),
        (lambda x: 1.7 * x, "factor constante 1.7"),
        (lambda x: x + 3, "constante sumada, 3"),
        (lambda x: x + (3 * x + 1).sin(), "se esperaba"),
        (lambda x: x.float(), "debía salir float64 y salió float32"),
        (lambda x: x.float().double(), "algún paso intermedio"),
        (lambda x: x * torch.nan, "aparecen NaN"),
        (lambda x: x[..., None], "los valores están bien, pero no la forma"),
        (lambda x: x.numpy(), "debe ser un tensor de torch y es ndarray"),
        (lambda x: x.long(), "debe ser de coma flotante y es int64"),
    ],
    ids=["signo", "por 4", "por 1.7", "más 3", "otro", "float32", "float32 dentro", "NaN"]
    + ["forma", "numpy", "enteros"],
)
def test_lo_generico_se_reconoce_en_todos_los_ejercicios(name, change, words):
    """Se dice qué cambio es; y solo se atribuye a un error del catálogo que haga eso mismo."""
    state, message = verdict(name, altered(name, change))
    assert state == WRONG and words in message
    blamed = [s for s in EXERCISES[name].slips if " ".join(s.hint.split()) in message]
    assert all(commits(name, s.wrong, altered(name, change)) for s in blamed)


def test_los_nan_se_localizan():
    def wrong(x_k, eps_hat, k, betas, alphas_bar, z):
        x = EXERCISES["ancestral_step"].oracle(x_k, eps_hat, k, betas, alphas_bar, z)
        return x / 0 if k == 2 else x

    _, message = verdict("ancestral_step", wrong)
    assert "aparecen infinitos en el caso «k = 2»" in message


@pytest.mark.parametrize("name", ["perturb", "x0_from_eps", "ancestral_step", "ddim_step"])
@pytest.mark.parametrize("axes", [(0, 1, 3, 2), (0, 2, 1, 3), (1, 0, 2, 3)])
def test_los_ejes_cambiados_no_pasan(name, axes):
    state, message = verdict(name, altered(name, lambda x: x.permute(axes)))
    assert state == WRONG and "los ejes salen en otro orden" in message


def test_las_excepciones_se_cuentan_con_su_linea():
    def mia(x0, k, eps, alphas_bar):
        return x0 + inexistente  # noqa: F821

    state, message = verdict("perturb", mia)
    assert state == WRONG
    assert "NameError: name 'inexistente' is not defined" in message
    assert "(línea 2 de mia: return x0 + inexistente" in message


@pytest.mark.parametrize(
    ("tracked", "kept", "words"),
    [
        (True, False, "falta retain_graph=True mientras queden derivadas por pedir."),
        (False, True, "falta `x = x.detach().requires_grad_()` antes de derivar."),
    ],
)
def test_los_olvidos_al_derivar_con_torch_se_dicen_en_espanol(tracked, kept, words):
    def mia(score_fn, x):
        x = x.detach().requires_grad_(tracked)
        value = score_fn(x)
        total = value.square().sum(1) / 2
        for i in range(x.shape[1]):
            total += torch.autograd.grad(value[:, i].sum(), x, retain_graph=kept)[0][:, i]
        return total

    state, message = verdict("implicit_loss", mia)
    assert state == WRONG and "RuntimeError" in message and message.endswith(words), message


def test_un_eje_equivocado_del_coeficiente_explica_las_formas():
    def mia(x0, k, eps, alphas_bar):
        a = alphas_bar[k].reshape(1, -1, 1, 1)
        return a.sqrt() * x0 + (1 - a).sqrt() * eps

    state, message = verdict("perturb", mia)
    assert (
        state == WRONG and "Las formas no encajan" in message and ".reshape(-1, 1, 1, 1)" in message
    )


def test_un_notimplementederror_de_torch_no_es_un_ejercicio_pendiente():
    message_of_torch = '"cumprod" not implemented for "Bool"'

    def refuse():
        raise NotImplementedError(message_of_torch)

    state, message = verdict("alphas_bar", lambda betas: refuse())
    assert state == WRONG and message_of_torch in message


WITH_TENSORS = [n for n in NAMES if any(map(torch.is_tensor, EXERCISES[n].cases()[0].args))]


@pytest.mark.parametrize("name", WITH_TENSORS)
def test_modificar_los_argumentos_es_un_error(name):
    oracle = EXERCISES[name].oracle

    def wrong(*args):
        out = oracle(*args)
        tensor = next(a for a in args if isinstance(a, torch.Tensor))
        tensor.add_(1)
        return out

    state, message = verdict(name, wrong)
    first = next(i for i, a in enumerate(EXERCISES[name].cases()[0].args) if torch.is_tensor(a))
    argument = oracle.__code__.co_varnames[first]
    assert state == WRONG and f"la función modifica {argument}," in message


def test_tipos_y_firmas():
    oracle = EXERCISES["posterior"].oracle
    wrongs = {
        "¿falta el return?": lambda *args: None,
        "se espera la pareja (la media, la varianza)": lambda *args: oracle(*args)[0],
        "y llegaron 3": lambda *args: (*oracle(*args), 0),
        "la media debe ser un tensor de torch y es ndarray": lambda *args: (
            oracle(*args)[0].numpy(),
            oracle(*args)[1],
        ),
        "la varianza debe ser de coma flotante y es int64": lambda *args: (
            oracle(*args)[0],
            oracle(*args)[1].long(),
        ),
        "la función debe recibir (x0, x_k, k, betas, alphas_bar)": lambda x0, x_k: x0,
    }
    for words, wrong in wrongs.items():
        state, message = verdict("posterior", wrong)
        assert state == WRONG and words in message, message
    state, message = verdict("posterior", torch.ones(2))
    assert state == WRONG and "se esperaba una función" in message


def test_la_forma_de_la_varianza():
    """Vale ya difundida; plana no, aunque los números sean los mismos."""
    oracle = EXERCISES["posterior"].oracle

    def full(*args):
        mean, variance = oracle(*args)
        return mean, variance.expand_as(mean)

    def flat(*args):
        mean, variance = oracle(*args)
        return mean, variance.flatten()

    assert verdict("posterior", full)[0] == RIGHT
    state, message = verdict("posterior", flat)
    assert state == WRONG and "la varianza: los valores están bien, pero no la forma" in message


def test_dos_errores_a_la_vez_se_dicen_los_dos():
    slips = {slip.name: slip for slip in EXERCISES["posterior"].slips}

    def wrong(*args):
        return slips["sin_raiz_senal"].wrong(*args)[0], slips["desviacion"].wrong(*args)[1]

    _, message = verdict("posterior", wrong)
    for name in ("sin_raiz_senal", "desviacion"):
        assert slips[name].hint in message


def test_un_factor_que_depende_del_tiempo_se_nombra():
    def wrong(x0, k, eps, alphas_bar):
        a = alphas_bar[k].reshape(-1, 1, 1, 1)
        return (1 - a).sqrt() * EXERCISES["perturb"].oracle(x0, k, eps, alphas_bar)

    state, message = verdict("perturb", wrong)
    assert state == WRONG and "difiere en un factor √(1−ᾱ_k)" in message


def test_lo_que_falla_solo_en_el_ultimo_paso_se_dice():
    def wrong(x_k, eps_hat, k, betas, alphas_bar, z):
        x = EXERCISES["ancestral_step"].oracle(x_k, eps_hat, k, betas, alphas_bar, z)
        return x + 0.1 * z if k == 1 else x

    state, message = verdict("ancestral_step", wrong)
    assert (
        state == WRONG and "está bien en 4 de 5 casos y falla en «k = 1, el último paso»" in message
    )
