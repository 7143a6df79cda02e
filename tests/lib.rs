//! Helpers of the functional tests.
