//! Whether the names of a layer's tasks are all different, arrays counted by their elements but never unfolded.
//!
//! An element `prefix-ix` has exactly one prefix and one index, since digits hold no `-`. So two arrays collide if and only if their
//! prefixes are equal, and a single task collides with an array if and only if its name reads as an element of it.

use std::collections::BTreeMap;

use super::TaskPlan;
use crate::core::name;

/// The pairs (later, earlier) of tasks, by their place in `tasks`, that would share a name.
pub(super) fn collisions(tasks: &[TaskPlan]) -> Vec<(usize, usize)> {
    let mut arrays: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    let mut found = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let Some(count) = task.count else { continue };
        match arrays.get_mut(task.name.as_str()) {
            None => {
                arrays.insert(&task.name, (at, count));
            }
            Some((first, longest)) => {
                found.push((at, *first));
                *longest = (*longest).max(count);
            }
        }
    }
    let mut singles: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, task) in tasks.iter().enumerate().filter(|(_, task)| task.count.is_none()) {
        if let Some(first) = singles.get(task.name.as_str()) {
            found.push((at, *first));
            continue;
        }
        singles.insert(&task.name, at);
        let array = name::as_element(&task.name).and_then(|(prefix, ix)| arrays.get(prefix).filter(|(_, count)| ix < *count));
        if let Some((array, _)) = array {
            found.push((at.max(*array), at.min(*array)));
        }
    }
    found.sort_unstable();
    found
}
