"use strict";
// Sends a form while the customer fills it in, and replaces the parts of the page that changed (`data-live`).
// Filters the apps without asking the server, and reads a page with `data-poll` again until it has none.
// Each page works the same without this script: its buttons do what the script does earlier.

const replaceLive = (html) => {
  const answer = new DOMParser().parseFromString(html, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = answer.getElementById(old.id);
    if (fresh && fresh.innerHTML !== old.innerHTML) old.replaceWith(fresh);
  }
};

for (const form of document.querySelectorAll("form[data-send]")) {
  let waiting, sending;
  const send = async () => {
    sending?.abort();
    sending = new AbortController();
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new FormData(form), headers: { "X-Live": "1" }, signal: sending.signal,
      });
      if (answer.ok && !answer.redirected) replaceLive(await answer.text());
    } catch {
      // The next change sends the form again, and so does its button.
    }
  };
  const plan = (delay) => { clearTimeout(waiting); waiting = setTimeout(send, delay); };
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-filter]")) plan(event.target.matches("[type=checkbox], [type=radio]") ? 0 : 400);
  });
  form.addEventListener("submit", () => { clearTimeout(waiting); sending?.abort(); });
}

const filters = [...document.querySelectorAll("[data-filter]")];
const items = [...document.querySelectorAll(".apps > li")];
const filter = () => {
  let shown = 0;
  for (const item of items) {
    const fits = filters.every(({ value, dataset }) => {
      const words = item.dataset[dataset.filter], wanted = value.trim().toLowerCase();
      if (dataset.filter === "words") return wanted.split(/\s+/).every((each) => words.includes(each));
      return !wanted || words.split(" ").includes(value);
    });
    item.hidden = !fits;
    shown += fits;
  }
  document.getElementById("none-found").hidden = shown > 0;
};
if (items.length) {
  for (const each of filters) each.addEventListener("input", filter);
  for (const each of filters) each.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
}
// A page that the back button brings back may be sent again: the server knows what it has done.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
});

const poll = async () => {
  if (!document.querySelector("[data-poll]")) return;
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
    if (answer.ok) replaceLive(await answer.text());
  } catch {
    // The next round asks again.
  }
  setTimeout(poll, 2000);
};
setTimeout(poll, 2000);
