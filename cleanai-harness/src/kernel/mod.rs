//! From a layer's output tensor to neuron values: means over positions, scaling, the check for NaN and infinity.

pub mod cpu;
