/** Where a state's address is kept: in the address bar for the page's own map, nowhere for a second one beside it. */

export interface AddressBar {
  read(): { search: string; hash: string };
  /** Another step that "back" undoes. */
  push(address: string): void;
  replace(address: string): void;
}

export const addressBar: AddressBar = {
  read: () => location,
  push: (address) => history.pushState(null, "", address),
  replace: (address) => history.replaceState(null, "", address),
};
