// A form can be sent once. Its token keeps a second sending from having an effect; this keeps it from happening.
"use strict";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") {
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // After the browser has collected the form, because a disabled button's own value is not sent.
  setTimeout(() => setDisabled(form, true));
});

// The Back button may show the page as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    setDisabled(form, false);
  }
});

function setDisabled(form, disabled) {
  for (const button of form.querySelectorAll("[type=submit]")) {
    button.disabled = disabled;
  }
}

// The theme marks no main part, and calls every part that scrolls "scrollable content". A screen reader needs the one to
// skip the navigation, and names to tell the others apart.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("#main")?.setAttribute("role", "main");
  name("#nav-sidebar-apps", document.querySelector("#nav-sidebar h2, #nav-sidebar a")?.textContent.trim());
  name("[data-simplebar]:has(.result-list)", document.querySelector("h1")?.textContent.trim());
});

function name(selector, text) {
  const part = document.querySelector(selector);
  if (part && text) {
    part.setAttribute("data-simplebar-aria-label", text);
  }
}
