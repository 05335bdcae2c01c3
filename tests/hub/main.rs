//! The hub's client against a real HTTP server on loopback, with every fault that a network has. Nothing here leaves the machine.

mod faults;
mod fetches;
mod fixture;
mod refusals;
#[cfg(feature = "torch")]
mod runs;
mod server;
