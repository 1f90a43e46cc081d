/** Plays a story in the chat: types what its person says, and says yes where the bot asks for one. It can be paused, stepped and left. */

import { byId } from "./pages.js";
import { t } from "./texts.js";

const LETTER = 28, READING = 900, PER_LETTER = 12, MOST_YES = 4; // ms; yeses in a row
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {{name: string, says: string[], agrees?: boolean}} story `agrees`: whether its person says yes when the bot asks
 * @param {{say: (text: string) => Promise<void>, agree: () => boolean,
 *   state: () => {owner: string, busy: boolean, last: {text: string} | undefined}}} chat
 */
export async function tellStory({ name, says, agrees = true }, chat) {
  const field = byId("text"), calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let playing = !calm, over = false, step = 0, wanted = 0; // messages that were asked for and not said yet

  function tell() {
    byId("story-said").textContent = t("story.step", { title: t(`story.${name}.title`), done: step, all: says.length });
    byId("story-pause").textContent = t(playing ? "story.pause" : "story.play");
  }
  function leave() {
    over = true;
    byId("story").hidden = true;
    field.focus();
  }
  byId("story").hidden = false;
  byId("story-pause").addEventListener("click", () => { playing = !playing; tell(); });
  byId("story-next").addEventListener("click", () => { playing = false; wanted += 1; tell(); });
  byId("story-end").addEventListener("click", leave);
  field.addEventListener("input", (event) => { if (event.isTrusted && !over) leave(); }); // who begins to type has taken over
  tell();

  /** Wait until it is time for the next message: after a while that is enough to read the last one, or when it is asked for. */
  async function turn() {
    const read = Date.now() + READING + PER_LETTER * (chat.state().last?.text.length ?? 0);
    while (!over && !wanted && !(playing && Date.now() >= read)) await pause(50);
    wanted = Math.max(0, wanted - 1);
    while (!over && chat.state().busy) await pause(50);
  }
  async function type(text) {
    for (let at = 1; playing && !over && at <= text.length; at += 1) {
      field.value = text.slice(0, at);
      await pause(LETTER);
    }
    if (!over) field.value = text;
  }
  async function agreeAll() {
    for (let yes = 0; agrees && yes < MOST_YES && !over && chat.state().owner === "bot"; yes += 1) {
      if (!document.querySelector("#log .acts button.main")) return;
      await turn();
      if (!over) chat.agree();
      while (chat.state().busy) await pause(50);
    }
  }
  for (const text of says) {
    await agreeAll();
    await turn();
    if (over) return;
    await type(text);
    if (over) return;
    step += 1;
    tell();
    await chat.say(text);
  }
  await agreeAll();
  if (over) return;
  over = true;
  const held = byId("story-acts").contains(document.activeElement);
  const waits = chat.state().owner === "queue";
  byId("story-said").textContent = t(waits ? "story.over_desk" : "story.over");
  byId("story-acts").hidden = true;
  byId("story-links").hidden = false;
  byId("story-desk").hidden = !waits;
  if (held || document.activeElement === document.body) field.focus();
}
