//! Things with a number each, found by it at once; numbers are used again.

#[derive(Debug)]
pub(super) struct Slab<T> {
    things: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.things.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&mut self, thing: T) -> usize {
        if let Some(id) = self.free.pop()
            && let Some(place) = self.things.get_mut(id)
        {
            *place = Some(thing);
            return id;
        }
        self.things.push(Some(thing));
        self.things.len() - 1
    }

    pub(super) fn remove(&mut self, id: usize) -> Option<T> {
        let thing = self.things.get_mut(id)?.take()?;
        self.free.push(id);
        Some(thing)
    }

    pub(super) fn get(&self, id: usize) -> Option<&T> {
        self.things.get(id)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.things.get_mut(id)?.as_mut()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.things.iter().flatten()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.things.iter_mut().flatten()
    }
}
