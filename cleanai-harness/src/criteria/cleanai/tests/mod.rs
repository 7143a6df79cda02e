//! Tests of the quantities through the registry, as the pass uses them.
