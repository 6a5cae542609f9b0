//! Scenarios that have a name: what the issue of a first load, of gaps and of rights comes to.
