import { MlbotClient } from "./client.js";
import { byId, make } from "./pages.js";
import { t } from "./texts.js";

/** Offer those stories whose processes the bot has; a service that is no demonstration has none to offer. */
async function offerStories() {
  const client = new MlbotClient({ url: location.origin });
  const [stories, told, isDemo] = await Promise.all([fetch("stories.json").then((answer) => answer.json()), client.intents(),
    client.call("POST", "/demo/identity", {}).then(() => true, () => false)]);
  const known = new Set(told.intents.map((one) => one.intent));
  const fitting = Object.entries(stories).filter(([, story]) => isDemo && story.needs.every((intent) => known.has(intent)));
  byId("story-list").replaceChildren(...fitting.map(([name, story]) => make("li", {}, make("a", { class: "panel", href: `chat.html?story=${name}` },
    make("strong", {}, t(`story.${name}.title`)), t(`story.${name}.about`),
    make("span", { class: "first", lang: story.language }, story.says[0])))));
  byId("stories").hidden = !fitting.length;
}

offerStories().catch(() => {}); // the rest of the page needs no service
