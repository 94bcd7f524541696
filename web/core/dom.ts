// Three helpers that save a framework.

export function all<E extends Element = HTMLElement>(selector: string, within: ParentNode = document): E[] {
  return [...within.querySelectorAll<E>(selector)];
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

export function button(text: string, className: string, action: () => void): HTMLButtonElement {
  const element = make("button", `button ${className}`, text);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}
