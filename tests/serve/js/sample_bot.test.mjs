/** The sample bot goes on, or hands over and says so, whatever the service does. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { MlbotClient, MlbotError } from "../../../mlbot/web/client.js";
import { answer } from "../../../mlbot/web/sample-bot.mjs";

const BOT = fileURLToPath(new URL("../../../mlbot/web/sample-bot.mjs", import.meta.url));
const told = (decision, more = {}) => ({ decision, intent: "card_order", process: { key: "card_order", title: "Company card" }, confidence: 0.9, alternatives: [{ intent: "card_block", confidence: 0.1 }], ...more });
const saying = (prediction) => ({ predict: async () => prediction });
const failing = (error) => ({ predict: async () => { throw error; } });

/** An answer of the bot, and what was handed over. */
async function ask(client, handOff) {
  const handed = [], transcript = [];
  const reply = await answer(client, "I need a new card", { role: "sales" }, { handOff: handOff ?? ((reason, chat) => handed.push({ reason, chat })), transcript });
  return { reply, handed, transcript };
}

for (const [decision, words] of [["execute", "I have started “Company card”."], ["confirm", "Shall I start “Company card”? (yes or no)"]]) {
  test(`${decision}: the bot goes on by itself`, async () => {
    const { reply, handed } = await ask(saying(told(decision)));
    assert.deepEqual([reply.text, reply.decision, reply.intent, reply.handedOff, handed.length], [words, decision, "card_order", false, 0]);
  });
}

test("clarify: the bot offers what it thought of", async () => {
  assert.match((await ask(saying(told("clarify")))).reply.text, /Company card · card_block/);
});

test("out of scope: the bot declines", async () => {
  assert.equal((await ask(saying(told("out_of_scope", { process: null })))).reply.decision, "out_of_scope");
});

test("handoff: a person gets the transcript", async () => {
  const { reply, handed } = await ask(saying(told("handoff")));
  assert.equal(reply.handedOff, true);
  assert.deepEqual(handed[0].chat.map(({ who }) => who), ["person", "bot"]);
});

for (const [name, client] of Object.entries({
  "nobody listens": new MlbotClient({ url: "http://127.0.0.1:9", timeout: 500 }),
  "the service is overloaded": failing(new MlbotError({ status: 503, title: "Overloaded" })),
  "the token has expired": failing(new MlbotError({ status: 401, title: "Unauthorized" })),
  "something else breaks": failing(new Error("boom")),
  "something that is no error is thrown": failing(undefined),
})) {
  test(`${name}: the bot says so and hands over`, async () => {
    const { reply, handed } = await ask(client);
    assert.match(reply.text, /does not answer/);
    assert.match(handed[0].reason, /gave no answer/);
    assert.equal(handed[0].chat[0].text, "I need a new card");
  });
}

test("a service that never answers costs no more than the time-out", async () => {
  const server = createServer(() => {});
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const start = Date.now();
  const { reply, handed } = await ask(new MlbotClient({ url: `http://127.0.0.1:${server.address().port}`, timeout: 200 }));
  server.closeAllConnections();
  server.close();
  assert.ok(reply.handedOff && Date.now() - start < 2000);
  assert.match(handed[0].reason, /Time-out/);
});

for (const prediction of [null, undefined, {}, "hello", told("dance")]) {
  test(`an answer that the bot does not understand (${JSON.stringify(prediction)?.slice(0, 24)}) goes to a person`, async () => {
    const { reply, handed } = await ask(saying(prediction));
    assert.ok(reply.handedOff && handed.length === 1);
  });
}

test("a text that the service refuses is asked for again", async () => {
  const { reply, handed } = await ask(failing(new MlbotError({ status: 422, title: "Too long" })));
  assert.deepEqual([reply.decision, handed.length], ["clarify", 0]);
});

test("no person either: the bot says that", async () => {
  const { reply, transcript } = await ask(failing(new Error("boom")), async () => { throw new Error("no queue"); });
  assert.equal(reply.handedOff, false);
  assert.match(reply.text, /service desk/);
  assert.equal(transcript.at(-1).text, reply.text);
});

test("on the terminal, with the service down, every line gets its words and the end is an orderly one", async () => {
  const bot = spawn(process.execPath, [BOT, "role=sales"], { env: { ...process.env, MLBOT_URL: "http://127.0.0.1:9" } });
  let said = "", wrong = "";
  bot.stdout.on("data", (part) => { said += part; });
  bot.stderr.on("data", (part) => { wrong += part; });
  bot.stdin.end("I need a new card\n\nhello?\n");
  const code = await new Promise((resolve) => bot.on("close", resolve));
  assert.equal(code, 0, wrong);
  assert.equal(said.match(/bot: I cannot think right now/g).length, 2);
  assert.match(said, /4 lines so far/);
});
