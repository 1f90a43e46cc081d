"use strict";
// The search among the wrong answers. The page is whole without it: then the table shows all of them.
(() => {
  const AT_ONCE = 50;
  const form = document.getElementById("find");
  if (!form) return;
  const [query, intent, more, count] = ["query", "intent", "more", "count"].map((id) => document.getElementById(id));
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const rows = [...document.querySelectorAll("#answers tbody tr")].map((row) => ({
    row, words: plain(row.textContent), truth: row.cells[1].textContent, answer: row.cells[2].textContent }));
  let most = AT_ONCE;

  const names = [...new Set(rows.flatMap(({ truth, answer }) => [truth, answer]))].sort();
  intent.append(...names.map((name) => new Option(name, name)));

  function show() {
    const words = plain(query.value).split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { row, words: held, truth, answer } of rows) {
      const fits = words.every((word) => held.includes(word)) && (!intent.value || [truth, answer].includes(intent.value));
      found += fits;
      row.hidden = !fits || found > most;
    }
    const shown = Math.min(found, most);
    count.textContent = found ? `${shown} of ${found} shown` : "Nothing found";
    more.hidden = shown === found;
  }
  function search() { most = AT_ONCE; show(); }

  form.addEventListener("input", search);
  form.addEventListener("change", search);
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
  form.addEventListener("reset", () => setTimeout(() => { search(); query.focus(); }));
  more.addEventListener("click", () => { most = Infinity; show(); });
  for (const link of document.querySelectorAll("a[data-intent]")) {
    link.addEventListener("click", () => { query.value = ""; intent.value = link.dataset.intent; search(); });
  }
  addEventListener("beforeprint", () => { for (const { row } of rows) row.hidden = false; });
  addEventListener("afterprint", show);
  form.hidden = false;
  search();
})();
