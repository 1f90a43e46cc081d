/**
 * What a bot asks of the service, as a test of the bot's own build: `MLBOT_URL=https://... node --test`. Without an address it is skipped.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MlbotClient, MlbotError } from "./client.js";

const url = process.env.MLBOT_URL;
const skip = url ? false : "set MLBOT_URL to the address of a service";
const DECISIONS = ["execute", "confirm", "clarify", "handoff", "out_of_scope"];
const client = () => new MlbotClient({ url, token: process.env.MLBOT_TOKEN });

test("the service is ready and names its model and intents", { skip }, async () => {
  const { model, intents } = await client().intents();
  assert.match(model, /^[0-9a-f]{12}$/);
  assert.ok(intents.length > 0 && intents.every(({ intent }) => typeof intent === "string" && intent));
});

test("each intent can be decided on, in the words of the contract", { skip }, async () => {
  const { model, intents } = await client().intents();
  for (const { intent, title } of intents.slice(0, 20)) {
    const answer = await client().predict(title || intent.replaceAll("_", " "));
    assert.ok(DECISIONS.includes(answer.decision), answer.decision);
    assert.ok(answer.confidence >= 0 && answer.confidence <= 1 && Array.isArray(answer.alternatives));
    assert.equal(typeof answer.intent, "string");
    assert.equal(answer.model, model);
    assert.ok(answer.request_id);
  }
});

test("a text without words is refused, and says what is expected", { skip }, async () => {
  await assert.rejects(client().predict(" "), (problem) => problem instanceof MlbotError && problem.status === 422 && problem.expected !== "");
});
