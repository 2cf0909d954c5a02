// Images that go with a question: pasted, dropped or chosen, and kept as data URLs.

import { h } from "../dom.js";

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LARGEST = 8 * 2 ** 20;

/** The images of the next question, shown as thumbnails that can be removed. */
export class Images {
  urls = [];
  #list;
  #changed;
  #complain;

  constructor(list, changed, complain) {
    this.#list = list;
    this.#changed = changed;
    this.#complain = complain;
  }

  /** Take images from a field for files, from pastes into a text, and from drops on a form. */
  listen(field, text, form) {
    field.addEventListener("change", () => {
      this.add(field.files);
      field.value = ""; // so that the same file can be chosen again
    });
    text.addEventListener("paste", (event) => this.#take(event, event.clipboardData));
    form.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    });
    form.addEventListener("drop", (event) => this.#take(event, event.dataTransfer));
  }

  /** Add the files that are images. */
  async add(files) {
    for (const file of files) {
      if (!KINDS.includes(file.type)) this.#complain(`${file.name} is no PNG, JPEG, GIF or WebP image.`);
      else if (file.size > LARGEST) this.#complain(`${file.name} is larger than 8 MB.`);
      else this.urls.push(await dataUrl(file));
    }
    this.#show();
  }

  /** Remove all. */
  clear() {
    this.urls = [];
    this.#show();
  }

  #take(event, transfer) {
    if (!transfer.files.length) return;
    event.preventDefault();
    this.add([...transfer.files]);
  }

  #show() {
    this.#list.replaceChildren(...thumbnails(this.urls, (index) => {
      this.urls.splice(index, 1);
      this.#show();
    }));
    this.#list.hidden = !this.urls.length;
    this.#changed();
  }
}

/** Return list items that show images, with a button to remove each if `remove` is there. */
export function thumbnails(urls, remove = null) {
  return urls.map((url, index) => h("li", {},
    h("img", { src: url, alt: `Image ${index + 1}` }),
    remove && h("button", { type: "button", "aria-label": `Remove image ${index + 1}`, onclick: () => remove(index) }, "×"),
  ));
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
