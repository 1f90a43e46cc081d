/** The words of the pages, in one file a language (text.en.json and its sisters), and what this tab remembers. */

const spare = new Map(); // where the browser keeps nothing
/** What this tab remembers. */
export const memory = {
  get(key) { try { return sessionStorage.getItem(`mlbot.${key}`) ?? ""; } catch { return spare.get(key) ?? ""; } },
  set(key, value) {
    try { value ? sessionStorage.setItem(`mlbot.${key}`, value) : sessionStorage.removeItem(`mlbot.${key}`); } catch { spare.set(key, value); }
  },
};

/** The languages of the pages, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français" };

/** The language of a page: picked by hand, else the first of the browser's that there is a file for, else English.
 * @param {string} picked @param {readonly string[]} browser @returns {string} */
export function languageOf(picked, browser) {
  const wanted = [picked, ...browser].map((name) => String(name).toLowerCase().split("-")[0]);
  return wanted.find((name) => Object.hasOwn(LANGUAGES, name)) ?? "en";
}

const place = globalThis.document?.getElementById("language"); // only pages that have their texts in a file offer a choice
if (place) {
  const asked = new URLSearchParams(location.search).get("language");
  if (asked && Object.hasOwn(LANGUAGES, asked)) memory.set("language", asked);
}

/** The language of this page. */
export const language = place ? languageOf(memory.get("language"), navigator.languages ?? []) : "en";

async function load() {
  for (let wait = 250; ; wait = Math.min(2 * wait, 8000)) {
    try {
      const answer = await fetch(`text.${language}.json`);
      if (answer.ok) return await answer.json();
    } catch { /* the service is away for a moment: the page has just come from there */ }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

const words = globalThis.document ? await load() : {};

/** A text of the page, with its words in braces filled in. @param {string} key @param {Object<string, string | number>} [filled] @returns {string} */
export function t(key, filled = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(filled[name] ?? ""));
}

/** Whether there is a text of that name, as for words that the service may add to. @param {string} key @returns {boolean} */
export const hasText = (key) => Object.hasOwn(words, key);

/** How this language writes numbers and days. */
export const locale = language === "en" ? "en-GB" : language;

/** The text between the keys of a hint, such as "[[Enter]] sends", with the keys as `kbd`. @param {string} text @returns {(Node | string)[]} */
export function withKeys(text) {
  return text.split(/\[\[(.+?)\]\]/).map((part, at) => {
    if (at % 2 === 0) return part;
    const key = document.createElement("kbd");
    key.textContent = part;
    return key;
  });
}

/** Put the texts into what the page already holds: `data-t` names a text, `data-t-label` an aria-label, `data-t-placeholder` a placeholder. */
function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.replaceChildren(...withKeys(t(node.dataset.t)));
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
  const title = document.querySelector("h1[data-t]");
  if (title) document.title = `${title.textContent} · mlbot`;
}

/** A link for each language. A choice loads the page again; what was typed and the chat itself are kept. */
function offerLanguages() {
  place.setAttribute("aria-label", t("page.languages"));
  for (const [name, own] of Object.entries(LANGUAGES)) {
    const link = document.createElement("a");
    for (const [key, value] of [["href", `?language=${name}`], ["lang", name], ["hreflang", name], ["title", own]]) link.setAttribute(key, value);
    if (name === language) link.setAttribute("aria-current", "true");
    const whole = document.createElement("span"); // heard, not seen
    whole.className = "unseen";
    whole.textContent = ` ${own}`;
    link.append(name.toUpperCase(), whole);
    place.append(link);
  }
}

if (place) {
  translate();
  offerLanguages();
}
