//! The suite tests itself: a small destination passes it, and mistakes made on purpose in that destination are caught.

mod double;
mod mistakes;

commutator_conformance::suite!(double::DoubleHarness);
