// What a user does with a card, and the feedback that an EHR then sends (CDS Hooks 2.0, Feedback).
import { element } from "./markdown.js";

export function suggesting(card, service) {
  const buttons = (card.suggestions ?? []).map((each) => suggestion(card, each, service));
  return buttons.length ? [element("div", { className: "suggestions" }, ...buttons)] : [];
}

function suggestion(card, { label, uuid, actions }, service) {
  const button = element("button", { text: label });
  const said = status();
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const sent = await send(service, { card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: uuid }] });
    said.textContent = sent ? "Accepted. An EHR would now open this draft; nothing is created here." : FAILED;
    button.disabled = sent;
    if (sent) said.after(drafts(actions));
  });
  const words = actions.map((action) => element("p", { className: "quiet", text: action.description }));
  return element("div", {}, button, ...words, said);
}

function drafts(actions) {
  const text = actions.map((action) => JSON.stringify(action.resource, null, 2)).join("\n");
  return element("pre", { text });
}

export function overriding(card, service) {
  const reasons = card.overrideReasons ?? [];
  if (!reasons.length) return [];
  const form = element("form", {}, chosen(reasons), comment(), element("button", { text: "Override the card" }), status());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    override(form, card, reasons, service);
  });
  return [element("details", { className: "override" }, element("summary", { text: "Override" }), form)];
}

async function override(form, card, reasons, service) {
  const reason = reasons[form.elements.reason.value];
  const userComment = form.elements.comment.value.trim();
  const entry = { card: card.uuid, outcome: "overridden" };
  if (reason || userComment) entry.overrideReason = { ...(reason && { reason }), ...(userComment && { userComment }) };
  const sent = await send(service, entry);
  form.querySelector("[role=status]").textContent = sent ? "Overridden. The reason was sent." : FAILED;
  for (const part of form.elements) part.disabled = sent;
}

function chosen(reasons) {
  const options = reasons.map(({ display }, number) => option(display, String(number)));
  const select = element("select", {}, option("No reason", ""), ...options);
  select.name = "reason";
  return element("label", { text: "Reason" }, select);
}

function option(text, value) {
  const made = element("option", { text });
  made.value = value;
  return made;
}

function comment() {
  const area = element("textarea");
  Object.assign(area, { name: "comment", rows: 2, maxLength: 4000 });
  return element("label", { text: "Comment" }, area);
}

function status() {
  const line = element("p", { className: "quiet" });
  line.setAttribute("role", "status");
  return line;
}

const FAILED = "The service did not take the feedback. Try again.";

async function send(service, entry) {
  const body = JSON.stringify({ feedback: [{ ...entry, outcomeTimestamp: new Date().toISOString() }] });
  try {
    const headers = { "content-type": "application/json" };
    return (await fetch(`${service}/feedback`, { method: "POST", headers, body })).ok;
  } catch {
    return false;
  }
}
