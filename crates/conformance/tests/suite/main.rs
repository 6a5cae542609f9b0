//! The suite tests itself: a small destination passes it, and mistakes made on purpose in that destination are caught.

mod mistakes;

commutator_conformance::suite!(commutator_conformance::DoubleHarness);
