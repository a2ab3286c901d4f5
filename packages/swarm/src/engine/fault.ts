/** What could not be read of a collection. The rest of it counts. */
export interface SwarmFault {
  /** Name of the file within the collection, such as `node1.networks.json`. */
  readonly file: string;
  /** Where in it and what is wrong: `/3/Endpoint/VirtualIPs/0/Addr: "10.0.1" is no IPv4 address with a prefix length`. */
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}
