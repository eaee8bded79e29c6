//! Deadlocks: cycles in the wait-for graph.

use super::table::{LockTable, Owner};

impl LockTable {
    /// The youngest owner of a cycle through `owner`, which has just begun to wait; `None` when there is no cycle.
    ///
    /// Ask again after the victim's release: the wait may have closed more than one cycle.
    pub fn victim(&self, owner: Owner) -> Option<Owner> {
        let mut visited = vec![false; self.owners.len()];
        let mut path = Vec::new();
        self.finds_cycle(owner, owner, &mut visited, &mut path).then(|| {
            let youngest = path.into_iter().max_by_key(|member| self.owners[member.0 as usize].age);
            youngest.expect("a cycle has members")
        })
    }

    /// Whether `goal` is waited for, directly or not, by `at`; `path` is then the way from `at` to it, both ends included once.
    fn finds_cycle(&self, at: Owner, goal: Owner, visited: &mut [bool], path: &mut Vec<Owner>) -> bool {
        // An explicit stack: a queue of a thousand sessions is a chain of a thousand waits.
        let mut stack = vec![(at, self.blockers(at))];
        path.push(at);
        while let Some((_, blockers)) = stack.last_mut() {
            match blockers.next() {
                Some(next) if next == goal => return true,
                Some(next) if !visited[next.0 as usize] => {
                    visited[next.0 as usize] = true;
                    path.push(next);
                    stack.push((next, self.blockers(next)));
                }
                Some(_) => {}
                None => {
                    stack.pop();
                    path.pop();
                }
            }
        }
        false
    }
}
