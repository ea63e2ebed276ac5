// Opens a card's SMART link as an EHR would: tells its own server what is open, then launches the app.
import { element } from "./markdown.js";

const $ = (id) => document.getElementById(id);
$("app-close")?.addEventListener("click", closeApp);

// `context`: of the hook that the card answered, whose patient and stay the app is launched with.
export function launchButton({ label, url, appContext }, context) {
  const button = element("button", { text: label });
  button.type = "button";
  const said = element("p", { className: "quiet" });
  said.setAttribute("role", "status");
  button.addEventListener("click", () => openApp(url, appContext, context, { label, said }));
  return element("div", { className: "launch" }, button, said);
}

async function openApp(url, appContext, { patientId, encounterId }, { label, said }) {
  said.textContent = "Opening …";
  try {
    const launched = { patient: patientId, encounter: encounterId, appContext };
    const address = await launchAddress(url, launched);
    $("app-title").textContent = label;
    $("app-tab").href = await launchAddress(url, launched);
    show(address, label);
    said.textContent = "";
  } catch (error) {
    said.textContent = `The app could not be opened: ${error.message}`;
  }
}

async function launchAddress(url, launched) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/dev/launch", { method: "POST", headers, body: JSON.stringify(launched) });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return `${url}?${new URLSearchParams(await answer.json())}`;
}

function show(address, title) {
  const frame = Object.assign(document.createElement("iframe"), { title, src: address });
  $("app-frame").replaceChildren(frame);
  $("app").hidden = false;
  document.querySelector(".chart").hidden = true;
  $("app-title").focus();
}

export function closeApp() {
  $("app-frame").replaceChildren();
  $("app").hidden = true;
  document.querySelector(".chart").hidden = false;
}
