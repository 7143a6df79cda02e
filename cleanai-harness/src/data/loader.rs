//! Batches, decoded ahead of use: one thread collects what a pool decodes and hands it over through a bounded channel.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::data::{Batch, Failure, Field, Set, Values};
use crate::declare::OnBadInput;
use crate::{Error, ErrorKind, Result};

/// Inputs decoded together at least, so that small batches keep every core busy too.
const FEWEST_TOGETHER: usize = 32;

/// Bytes of decoded inputs beyond which only as many are decoded together as there are threads.
const MOST_BYTES_TOGETHER: usize = 8 << 20;

/// Batches that wait for the model in the channel, beside the one that waits for room in it.
const AHEAD: usize = 2;

/// Bytes that wait there at most. Small batches are waited for often, large ones only fill the memory: the next is decoded while the
/// model runs.
const MOST_BYTES_AHEAD: usize = 8 << 20;

/// Decoding has a pool of its own: a caller that waits for a batch inside rayon's global pool would otherwise
/// hold the very thread that is to decode it.
static POOL: LazyLock<Result<ThreadPool, String>> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().thread_name(|index| format!("cleanai-decode-{index}")).build();
    pool.map_err(|why| why.to_string())
});

/// The iterator of [`DataSet::batches`](crate::data::DataSet::batches). Dropping it stops the decoding.
#[derive(Debug)]
pub struct Batches {
    /// `None` once everything has been delivered.
    receiver: Option<Receiver<Message>>,
    stop: Arc<AtomicBool>,
    spare: Spare,
    thread: Option<JoinHandle<()>>,
}

/// Memory of batches that were used up. Allocated for every batch anew, it would lie at another place each time, and cut the free places
/// that the layers of a model need.
type Spare = Arc<Mutex<Vec<Vec<f32>>>>;

/// What the thread hands over.
#[derive(Debug)]
enum Message {
    Batch(Batch),
    Failed(Error),
    /// Nothing more follows. A channel that closes without this is a fault, never the end.
    End,
}

impl Batches {
    pub(super) fn start(set: Arc<Set>, size: usize) -> Self {
        let ahead = AHEAD.min(MOST_BYTES_AHEAD / set.input_bytes().saturating_mul(size).max(1));
        let (sender, receiver) = sync_channel(ahead);
        let stop = Arc::new(AtomicBool::new(false));
        let spare = Spare::default();
        let producer = Producer { set, size, sender, stop: Arc::clone(&stop), spare: Arc::clone(&spare) };
        let thread = thread::Builder::new().name("cleanai-batches".to_owned()).spawn(move || producer.run());
        let (receiver, thread) = match thread {
            Ok(thread) => (receiver, Some(thread)),
            Err(why) => {
                let error = Error::new(ErrorKind::Io, format!("cannot start a thread for decoding: {why}"));
                // The other channel may have no room, and nobody is there to take it.
                let (sender, receiver) = sync_channel(1);
                let _ = sender.send(Message::Failed(error));
                (receiver, None)
            }
        };
        Self { receiver: Some(receiver), stop, spare, thread }
    }

    /// Gives the memory of fields back that are no longer needed, for later batches.
    pub(crate) fn recycle(&self, fields: Vec<Field>) {
        let floats = fields.into_iter().filter_map(|field| match field.values {
            Values::Float(values) => Some(values),
            Values::Integer(_) => None,
        });
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).extend(floats);
    }

    fn finish(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Closes the channel first: a thread that waits for room in it wakes up.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported as an error by then, or nobody wants its batches.
            let _ = thread.join();
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.receiver.as_ref()?.recv() {
            Ok(Message::Batch(batch)) => return Some(Ok(batch)),
            Ok(Message::Failed(error)) => Some(Err(error)),
            Ok(Message::End) => None,
            Err(_) => Some(Err(Error::new(ErrorKind::Data, "the thread that decodes inputs ended unexpectedly")
                .with_help("this is a fault of CleanAI; please report it with the data that shows it"))),
        };
        self.finish();
        item
    }
}

impl std::iter::FusedIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What runs on the thread.
struct Producer {
    set: Arc<Set>,
    size: usize,
    sender: SyncSender<Message>,
    stop: Arc<AtomicBool>,
    spare: Spare,
}

/// A decoded input: the values of each field.
type Input = Vec<Values>;

/// Decoded inputs that are not in a batch yet, by candidate.
type Ready = VecDeque<(usize, Input)>;

impl Producer {
    fn run(self) {
        let last = match self.deliver() {
            Ok(()) => Message::End,
            Err(error) => Message::Failed(error),
        };
        // Nobody listens to an iterator that was dropped.
        let _ = self.sender.send(last);
    }

    /// Sends every batch; returns early, without error, where nobody takes them.
    fn deliver(&self) -> Result<()> {
        if self.size == 0 {
            return Err(Error::new(ErrorKind::Configuration, "a batch has at least one input, not 0"));
        }
        let pool = POOL
            .as_ref()
            .map_err(|why| Error::new(ErrorKind::Io, format!("cannot start threads for decoding: {why}")))?;
        let candidates = self.set.len();
        let together = self.together(pool.current_num_threads());
        let mut ready = Ready::new();
        let (mut next, mut first) = (0, 0);
        while next < candidates {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            // Large inputs do not lie about until the batch after this one: what is decoded together fills a batch at most.
            let wanted = if together < self.size { together.min(self.size - ready.len()) } else { together };
            let end = candidates.min(next.saturating_add(wanted));
            let decoded = pool.install(|| self.decode(next..end));
            let failed = self.keep(next, decoded, &mut ready);
            next = end;
            let whole = next < candidates || failed.is_some();
            while ready.len() >= self.size || (!whole && !ready.is_empty()) {
                let batch = self.batch(&mut ready, first)?;
                first += batch.inputs;
                if self.sender.send(Message::Batch(batch)).is_err() {
                    return Ok(());
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        if first == 0 {
            return Err(Error::new(ErrorKind::Data, "no input can be decoded any more")
                .with_help("the files were readable when the data was opened; did they change since?"));
        }
        Ok(())
    }

    /// How many inputs are decoded at a time.
    fn together(&self, threads: usize) -> usize {
        let most = MOST_BYTES_TOGETHER / self.set.input_bytes().max(1);
        self.size.max(FEWEST_TOGETHER).min(most.max(threads))
    }

    /// Decodes candidates in parallel; the result is in order.
    fn decode(&self, candidates: std::ops::Range<usize>) -> Vec<Option<Result<Input, Failure>>> {
        let known = self.set.skipped().clone();
        let load = |candidate| (!known.contains_key(&candidate)).then(|| self.set.load(candidate));
        candidates.into_par_iter().map(load).collect()
    }

    /// Moves what was decoded to `ready`, up to the first error; notes what is skipped.
    fn keep(&self, first: usize, decoded: Vec<Option<Result<Input, Failure>>>, ready: &mut Ready) -> Option<Error> {
        for (candidate, result) in (first..).zip(decoded) {
            match result {
                None => {}
                Some(Ok(input)) => ready.push_back((candidate, input)),
                Some(Err(Failure::Bad(why))) if self.set.on_bad_input == OnBadInput::Skip => {
                    self.set.skip(candidate, why)
                }
                Some(Err(Failure::Bad(error) | Failure::Wrong(error))) => return Some(error),
            }
        }
        None
    }

    /// Takes the next batch out of `ready`, which is not empty, and pads it.
    fn batch(&self, ready: &mut Ready, first: usize) -> Result<Batch> {
        let inputs = self.size.min(ready.len());
        let fields = self.set.fields.iter().enumerate().map(|(index, field)| {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            field.joined(ready.range(..inputs).map(|(_, input)| &input[index]), self.size, spare).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("a batch of {} inputs does not fit into memory", self.size),
                )
                .with_help("use a smaller batch")
            })
        });
        let fields = fields.collect::<Result<_>>()?;
        let labels = self.set.labels.as_ref();
        let labels = labels.map(|all| ready.range(..inputs).map(|(candidate, _)| all[*candidate]).collect());
        ready.drain(..inputs);
        Ok(Batch { first, inputs, size: self.size, fields, labels })
    }
}
