/** Directories of `fixtures/`: swarms of Docker 20.10 that are as they should be. */
export const healthyCaptures: readonly string[] = ['capture'];
