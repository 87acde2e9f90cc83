// Da vida a los anywidgets de una página estática, sin núcleo ni red: lee el estado que el cuaderno
// dejó en la página, importa el módulo de cada modelo y lo dibuja en su sitio.

const MIME = "application/vnd.jupyter.widget";
const scripts = (kind) => [...document.querySelectorAll(`script[type="${MIME}-${kind}+json"]`)];
const modules = new Map(); // del texto de un módulo a su promesa: cada texto se importa una vez

/** El estado de un modelo, con sus buffers como DataView en el lugar que dice `path`. */
function decode({ state, buffers = [] }) {
  for (const { path, data } of buffers) {
    const owner = path.slice(0, -1).reduce((node, key) => node[key], state);
    owner[path.at(-1)] = new DataView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
  }
  return state;
}

/** Modelo mínimo: get, set, save_changes, on y off, con los avisos "change" y "change:rasgo". */
function makeModel(state) {
  const listeners = {};
  const emit = (event) => [...(listeners[event] ?? [])].forEach((listener) => listener());
  const set = (name, value) => {
    if (Object.is(state[name], value)) return;
    state[name] = value;
    emit(`change:${name}`);
    emit("change");
  };
  return {
    get: (name) => state[name],
    set,
    save_changes: () => {}, // no hay núcleo al que avisar
    on: (event, listener) => { (listeners[event] ??= new Set()).add(listener); },
    off: (event, listener) => { listeners[event]?.delete(listener); },
  };
}

/** Importa un módulo a partir de su texto. */
function load(source) {
  if (!modules.has(source)) {
    modules.set(source, import(URL.createObjectURL(new Blob([source], { type: "text/javascript" }))));
  }
  return modules.get(source);
}

/** Pone la hoja de estilo en la página, una sola vez. */
function addStyle(css) {
  const present = [...document.head.querySelectorAll("style")].some((s) => s.textContent === css);
  if (css && !present) document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
}

/** Dibuja un modelo; los de anywidget exportan { render } o una función que lo devuelve. */
async function show(model, el) {
  if (!model?.get("_esm")) throw new Error("la página no trae su estado");
  addStyle(model.get("_css"));
  const exported = (await load(model.get("_esm"))).default;
  const { initialize, render } = typeof exported === "function" ? await exported() : exported;
  await initialize?.({ model });
  await render({ model, el });
}

/** Deja en el sitio del widget un mensaje visible y, en la consola, el error completo. */
function report(el, error) {
  console.error("No se pudo mostrar un widget:", error);
  el.setAttribute("role", "alert");
  el.style.cssText = "padding: 0.8rem 1rem; border-left: 4px solid #c05010; background: #c0501020";
  el.textContent = `No se pudo mostrar este widget (${error.message}). Conviene recargar la página o `
    + "actualizar el navegador; también se puede ejecutar el cuaderno en Colab o en JupyterLab.";
}

/** Todos los modelos de la página, por su identificador. */
function readModels() {
  const entries = scripts("state").flatMap((s) => Object.entries(JSON.parse(s.textContent).state));
  return new Map(entries.map(([id, record]) => [id, makeModel(decode(record))]));
}

let models = null;
for (const script of scripts("view")) {
  const el = document.createElement("div");
  script.after(el);
  try {
    models ??= readModels();
    await show(models.get(JSON.parse(script.textContent).model_id), el);
  } catch (error) {
    report(el, error); // el fallo de uno no toca a los demás
  }
}
