/**
 * A small bot on top of mlbot: it asks the service what to do about each line, and hands the chat to a person when it cannot go on,
 * also when the service does not answer. Copy it and put your own processes where it says so.
 *
 *     MLBOT_URL=http://127.0.0.1:8000 MLBOT_TOKEN=... node sample-bot.mjs role=sales location=Berlin
 */

import { realpathSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { MlbotClient } from "./client.js";

/**
 * @typedef {{who: "person" | "bot", text: string}} Line
 * @typedef {(reason: string, transcript: Line[]) => unknown} HandOff
 * @typedef {{text: string, decision: import("./client.js").Decision, intent: string, title: string, handedOff: boolean}} Reply
 */

const titleOf = (answer) => answer.process?.title ?? answer.intent;

/**
 * The bot's reply to a text. It never throws: without a service, or with an answer that it does not understand, a person takes over.
 * @param {MlbotClient} client
 * @param {string} text what the person wrote
 * @param {Object<string, string>} [context] what the application knows of the person, such as the role
 * @param {{handOff?: HandOff, transcript?: Line[]}} [chat] the transcript grows by what was said
 * @returns {Promise<Reply>}
 */
export async function answer(client, text, context = {}, { handOff = () => {}, transcript = [] } = {}) {
  transcript.push({ who: "person", text });
  const say = (words, decision, about = { intent: "" }) => {
    transcript.push({ who: "bot", text: words });
    return { text: words, decision, intent: about.intent, title: titleOf(about), handedOff: false };
  };
  const toPerson = async (words, reason) => {
    const reply = say(words, "handoff");
    try {
      await handOff(reason, [...transcript]);
      return { ...reply, handedOff: true };
    } catch {
      return say("I could not reach a person either. Please call the service desk.", "handoff");
    }
  };

  let told;
  try {
    told = await client.predict(text, { context });
  } catch (error) {
    if ([400, 413, 422].includes(error?.status)) return say("I cannot read that. Please say it in one or two sentences.", "clarify");
    const reason = `the bot's service gave no answer (${error?.message ?? error})`;
    return toPerson("I cannot think right now: my service does not answer. I am handing you to a person.", reason);
  }

  switch (told?.decision) {
    case "execute": return say(start(titleOf(told)), "execute", told);
    case "confirm": return say(`Shall I start “${titleOf(told)}”? (yes or no)`, "confirm", told);
    case "clarify": return say(`Do you mean one of these? ${[told, ...told.alternatives ?? []].slice(0, 3)
      .map((one) => titleOf(one)).join(" · ")}. Please say it in other words.`, "clarify");
    case "out_of_scope": return say("That is nothing I can help with. Ask for a person if it is for us.", "out_of_scope");
    case "handoff": return toPerson("I am not sure what you need, so a person takes over.", "the bot was not sure");
    default: return toPerson("A person takes over.", `an unknown decision: ${told?.decision}`);
  }
}

/** Your processes start here. @param {string} title @returns {string} */
function start(title) {
  return `I have started “${title}”.`;
}

/** A chat on the terminal. @param {MlbotClient} client @param {Object<string, string>} context @param {NodeJS.ReadableStream} lines */
async function talk(client, context, lines) {
  const transcript = [];
  const handOff = (reason, chat) => console.log(`  [handed to a person: ${reason}; ${chat.length} lines so far]`);
  let open = null; // the process that waits for a yes
  console.log("bot: What do you need?");
  for await (const line of createInterface({ input: lines })) {
    const text = line.trim();
    if (!text) continue;
    if (open && /^(y|yes|no?)$/i.test(text)) {
      const words = /^y/i.test(text) ? start(open) : "Then not. What do you need?";
      transcript.push({ who: "person", text }, { who: "bot", text: words });
      console.log(`bot: ${words}`);
      open = null;
      continue;
    }
    const reply = await answer(client, text, context, { handOff, transcript });
    open = reply.decision === "confirm" ? reply.title : null;
    console.log(`bot: ${reply.text}`);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const context = Object.fromEntries(process.argv.slice(2).map((pair) => pair.split("=", 2)));
  const client = new MlbotClient({ url: process.env.MLBOT_URL ?? "http://127.0.0.1:8000", token: process.env.MLBOT_TOKEN ?? "" });
  await talk(client, context, process.stdin);
}
