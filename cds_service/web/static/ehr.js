// Plays the EHR: shows a patient, fires the hook at the real service, draws what comes back.
import { drawAnswer, drawProblem } from "./card.js";
import { closeApp } from "./launch.js";
import { element } from "./markdown.js";

const SERVICE = "/cds-services/readmission-risk";
const $ = (id) => document.getElementById(id);
let chosen = null;

document.querySelectorAll("input[name=patient]").forEach((radio) => {
  radio.addEventListener("change", () => choose(radio.value));
});
$("discharge").addEventListener("click", () => fire(chosen?.discharge));
$("open-chart").addEventListener("click", () => fire(chosen?.patient_view));
$("raw-request").addEventListener("toggle", () => showRaw("request"));
$("raw-response").addEventListener("toggle", () => showRaw("response"));
window.addEventListener("hashchange", chooseFromAddress);
chooseFromAddress();

function chooseFromAddress() {
  const radios = [...document.querySelectorAll("input[name=patient]")];
  const wanted = radios.find((radio) => radio.value === location.hash.slice(1)) ?? radios[0];
  if (!wanted || chosen?.name === wanted.value) return;
  wanted.checked = true;
  choose(wanted.value);
}

async function choose(name) {
  const current = (chosen = { name });
  history.replaceState(null, "", `#${name}`);
  setBusy(true);
  forget();
  try {
    const answer = await fetch(`/dev/patients/${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const patient = await answer.json();
    if (chosen !== current) return;
    Object.assign(current, patient);
    showPatient(patient.discharge.prefetch);
    showSummary(patient.summary);
    $("command").textContent = `curl -d @examples/requests/${name}.json ${location.origin}${SERVICE}`;
    setBusy(false);
  } catch (error) {
    if (chosen === current) $("status").textContent = `The patient could not be loaded: ${error.message}`;
  }
}

function showPatient({ patient, encounter }) {
  const name = patient.name[0];
  const line = document.querySelector("input[name=patient]:checked").closest("label");
  $("patient-name").textContent = `${name.family}, ${name.given.join(" ")}`;
  const facts = [line.dataset.age, patient.gender, `born ${patient.birthDate}`, `MRN ${patient.identifier[0].value}`];
  $("patient-facts").textContent = facts.join(" · ");
  $("why").textContent = line.dataset.why;
  const { start, end } = encounter.period;
  const ward = encounter.location?.at(-1)?.location.display;
  const stay = [["Admitted", clock(start)], ["Ward", ward], ["Leaves", end ? clock(end) : "still in hospital"]];
  const rows = [...stay, ["For", encounter.reasonCode?.[0].text]].filter(([, words]) => words);
  const pair = ([term, words]) => element("div", {}, element("dt", { text: term }), element("dd", { text: words }));
  $("stay").replaceChildren(...rows.map(pair));
}

function clock(dateTime) {
  return `${dateTime.slice(0, 10)} ${dateTime.slice(11, 16)}`;
}

function showSummary(text) {
  const parts = text.split("\n\n").flatMap((part) => {
    const [first, ...rest] = part.split("\n");
    if (!rest.length || first !== first.toUpperCase()) return [element("p", { text: part })];
    return [element("h3", { text: first }), element("p", { text: rest.join("\n") })];
  });
  $("summary").replaceChildren(...parts);
  $("summary").scrollTop = 0;
}

function forget() {
  closeApp();
  $("answer").replaceChildren(element("p", { className: "quiet", text: "Nothing asked yet. Discharge the patient or open the chart: the EHR then calls the service." }));
  $("status").textContent = "";
  $("traffic").hidden = true;
}

function setBusy(busy) {
  for (const id of ["discharge", "open-chart"]) $(id).disabled = busy;
  $("answer").setAttribute("aria-busy", String(busy));
}

async function fire(request) {
  const current = chosen;
  setBusy(true);
  $("status").textContent = `Calling the service (${request.hook}) …`;
  const answer = await post(request);
  if (chosen !== current) return;
  current.exchange = { request, response: answer };
  $("answer").replaceChildren(...(answer.failed ? [drawProblem(0, [answer.failed])] : drawAnswer(answer, SERVICE, request.context)));
  $("status").textContent = report(answer);
  showTraffic(request, answer);
  setBusy(false);
  $("guidance-title").scrollIntoView({ block: "nearest" });
}

async function post(request) {
  const started = performance.now();
  try {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(SERVICE, { method: "POST", headers, body: JSON.stringify(request) });
    const text = await answer.text();
    const ms = Math.round(performance.now() - started);
    return { status: answer.status, words: answer.statusText, ms, text, body: parsed(text) };
  } catch (error) {
    return { failed: `The service could not be reached: ${error.message}` };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function report({ failed, status, ms, body }) {
  if (failed) return "The service could not be reached.";
  const count = body?.cards?.length;
  const what = count === undefined ? "an error" : `${count} ${count === 1 ? "card" : "cards"}`;
  return `The service answered in ${ms} ms with ${what} (HTTP ${status}).`;
}

function showTraffic(request, answer) {
  $("traffic").hidden = false;
  $("request-line").textContent = `POST ${SERVICE} · ${request.hook}`;
  $("response-line").textContent = answer.failed ? "none" : `HTTP ${answer.status} ${answer.words} · ${answer.ms} ms`;
  showRaw("request");
  showRaw("response");
}

// The request is long: it is written out only when someone opens it.
function showRaw(which) {
  const exchange = chosen?.exchange;
  if (!exchange || !$(`raw-${which}`).open) return;
  const { body, text, failed } = which === "request" ? { body: exchange.request } : exchange.response;
  $(`${which}-json`).textContent = body === undefined ? (text ?? failed) : JSON.stringify(body, null, 2);
}
