/** What the pages must hold so that a strict Content-Security-Policy lets them work, and nothing that is said becomes markup. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (name) => readFileSync(new URL(`../../../mlbot/web/${name}`, import.meta.url), "utf8");
const PAGES = ["index", "chat", "agents", "label", "monitor"];
const SCRIPTS = ["client.js", "pages.js", "chat.js", "agents.js", "label.js", "monitor.js"];

for (const page of PAGES) {
  const html = read(`${page}.html`);

  test(`${page}: nothing is inline`, () => {
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:|data:/i);
    for (const [script] of html.matchAll(/<script[^>]*>[^]*?<\/script>/g)) assert.match(script, /^<script type="module" src="[\w.]+"><\/script>$/);
  });

  test(`${page}: whatever it loads or links lies beside it`, () => {
    for (const [, name] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) assert.ok(/^[\w.]+$/.test(name) && read(name), name);
  });

  test(`${page}: ids are given once, and all that are spoken of exist`, () => {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, name] of html.matchAll(/(?:for|aria-labelledby|aria-describedby)="([^"]+)"/g)) assert.ok(ids.includes(name), name);
    if (page === "index") return;
    const script = read(`${page}.js`) + 'byId("trouble") byId("who")';
    for (const [, id] of script.matchAll(/byId\("([\w-]+)"\)/g)) assert.ok(ids.includes(id), `${page}.js asks for #${id}`);
  });

  test(`${page}: it has a language, a title and one heading of the first rank, and may be zoomed`, () => {
    assert.match(html, /<html lang="en">/);
    assert.match(html, /<title>[^<]+<\/title>/);
    assert.equal(html.match(/<h1/g).length, 1);
    assert.doesNotMatch(html, /user-scalable|maximum-scale/);
  });
}

for (const name of SCRIPTS) {
  test(`${name}: what is said is set as text only`, () => {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|setAttribute\("style"|localStorage/);
  });
}
