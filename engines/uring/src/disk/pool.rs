//! Threads that block so that a runtime thread does not have to: opening, pre-writing, listing and removing files
//! on every backend, and all reads, writes and syncs where there is no ring.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use node::Nanos;

use crate::sys;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed set of threads that take jobs in order. Dropping it finishes the jobs taken and queued.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closing: bool,
    cpu: Nanos,
}

impl Pool {
    pub(crate) fn start(threads: usize) -> io::Result<Pool> {
        let shared = Arc::new(Shared { queue: Mutex::default(), ready: Condvar::new() });
        let mut pool = Pool { shared, threads: Vec::with_capacity(threads) };
        for index in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name(format!("sextant-io-{index}"));
            pool.threads.push(builder.spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// Runs `job` on one of the threads.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(Box::new(job));
        let wake = queue.idle > 0;
        drop(queue);
        if wake {
            self.shared.ready.notify_one();
        }
    }

    /// CPU time of the threads, up to the end of each one's last job.
    pub(crate) fn cpu(&self) -> Nanos {
        self.shared.lock().cpu
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.ready.notify_all();
        for thread in self.threads.drain(..) {
            // A job that panicked has printed why; its operation was lost with it.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut counted = Nanos::ZERO;
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                let cpu = sys::thread_cpu();
                queue = self.lock();
                queue.cpu += cpu.saturating_sub(counted);
                counted = cpu;
            } else if queue.closing {
                return;
            } else {
                queue.idle += 1;
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
