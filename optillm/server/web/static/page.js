// What every page does: buttons that copy, and times in the reader's own zone.

/** Copy the text of the element that a button names in `data-copy`, and say so on the button for a moment. */
export async function copyFrom(button) {
  const source = document.getElementById(button.dataset.copy);
  await copyText(button, source.textContent);
}

/** Copy a text, and say so on the button for a moment. */
export async function copyText(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = copiedTheOldWay(text) ? "Copied" : "Cannot copy here";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

// `navigator.clipboard` is missing on plain http, localhost aside.
function copiedTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/** Write each `<time datetime>` below an element as the reader's clock shows it: the hour today, else the date too. */
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const today = moment.toDateString() === new Date().toDateString();
    time.textContent = today
      ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
      : moment.toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
    time.title = moment.toLocaleString();
  }
}

if (typeof document !== "undefined") {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) copyFrom(button);
  });
  localTimes(document);
}
