// CDS Hooks cards and FHIR OperationOutcomes as an EHR would draw them.
import { overriding, suggesting } from "./feedback.js";
import { launchButton } from "./launch.js";
import { element, renderMarkdown } from "./markdown.js";

const INDICATORS = { info: "Information", warning: "Warning", critical: "Critical" };

// `service`: the address that feedback on the cards goes to. `context`: of the hook that was called;
// without one there is nothing that an app could be launched with.
export function drawAnswer({ status, body, text }, service, context) {
  if (Array.isArray(body?.cards)) return drawCards(body.cards, service, context);
  if (body?.resourceType === "OperationOutcome") return [drawOutcome(status, body)];
  return [drawProblem(status, [text.slice(0, 500) || "The answer had no content."])];
}

export function drawProblem(status, sentences) {
  const heading = status ? `The service answered with HTTP ${status}` : "No answer";
  const words = sentences.map((sentence) => element("p", { text: sentence }));
  const article = element("article", { className: "card" }, badge("Error"), element("h3", { text: heading }), ...words);
  article.dataset.indicator = "error";
  return article;
}

function drawCards(cards, service, context) {
  if (cards.length) return cards.map((card) => drawCard(card, service, context));
  return [element("p", { className: "quiet", text: "The service answered and had no guidance." })];
}

function drawCard(card, service, context) {
  const indicator = INDICATORS[card.indicator] ? card.indicator : "info";
  const article = element("article", { className: "card" }, badge(INDICATORS[indicator]), element("h3", { text: card.summary }));
  article.dataset.indicator = indicator;
  if (card.detail) article.append(element("div", { className: "detail" }, renderMarkdown(card.detail)));
  article.append(...suggesting(card, service), ...links(card, context), ...overriding(card, service), source(card.source ?? {}));
  return article;
}

function badge(words) {
  return element("p", { className: "badge", text: words });
}

function links(card, context) {
  const items = (card.links ?? []).map((each) => element("li", {}, link(each, context)));
  return items.length ? [element("ul", { className: "links" }, ...items)] : [];
}

function link(each, context) {
  if (each.type !== "smart") return anchor(each.label, each.url);
  if (context && isOurs(each.url)) return launchButton(each, context);
  return element("span", { text: `${each.label} (opens as a SMART app inside an EHR)` });
}

function isOurs(url) {
  return URL.canParse(url) && new URL(url).origin === location.origin;
}

function anchor(label, url) {
  if (!/^https?:\/\//i.test(url ?? "")) return element("span", { text: label });
  const made = element("a", { text: label });
  Object.assign(made, { href: url, target: "_blank", rel: "noopener noreferrer" });
  return made;
}

function source({ label, url, topic }) {
  const footer = element("footer", { text: "Source: " });
  footer.append(anchor(label ?? "not named", url));
  if (topic?.display) footer.append(` · ${topic.display}`);
  return footer;
}

function drawOutcome(status, outcome) {
  const sentences = (outcome.issue ?? []).map((issue) => {
    const words = issue.details?.text ?? issue.diagnostics ?? "no further words";
    const where = issue.expression?.length ? ` (${issue.expression.join(", ")})` : "";
    return `${words}${where} - ${issue.severity}, ${issue.code}`;
  });
  return drawProblem(status, sentences);
}
