//! Whole measurements on disk. What a key holds is settled where jobs are known, in `measure::cached`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, Kind};

/// Most bytes of one: figures of every layer and class, and what criteria say of each input.
const LARGEST: u64 = 1 << 30;

impl Cache {
    /// The measurement of this key, if it is there whole; `decode` gives nothing where its contents are none.
    pub fn read_measurement<K, T>(&self, key: &K, decode: impl FnOnce(&[u8]) -> Option<T>) -> Option<T>
    where
        K: Serialize + DeserializeOwned + PartialEq,
    {
        self.read(Kind::Measurements, key, LARGEST, decode)
    }

    /// Keeps a measurement; where it cannot be written the next run makes it again.
    pub fn write_measurement(&self, key: &impl Serialize, contents: &[u8]) {
        if contents.len() as u64 <= LARGEST {
            self.write(Kind::Measurements, key, contents);
        }
    }
}
