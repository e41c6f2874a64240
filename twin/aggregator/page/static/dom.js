// Small helpers around the document.

/**
 * @param {string} id
 * @returns {any} the element, of whatever kind it is
 */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, any>} [properties] of the element; `data` and `aria` go to attributes
 * @param {...(Node|string)} children
 * @returns {any}
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  const {aria = {}, ...rest} = properties;
  Object.assign(element, rest);
  for (const [key, value] of Object.entries(aria)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * Set a text only when it changed, so that screen readers and selections are left in peace.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} name of a CSS variable, without the dashes
 * @returns {string}
 */
export const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Whether the reader prefers dark. */
export const darkness = matchMedia("(prefers-color-scheme: dark)");
