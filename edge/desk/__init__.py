"""How a phone is judged. Everything here is pure: values in, values out, nothing remembered.

**What is seen.** A few times a second one of the eyes looks at one window of the picture: the
whole, whoever sits there, the part of them before which things are held, or something that may be a
phone (`attention`). It answers with boxes and scores. A score becomes log-odds, log(p / (1 - p));
where another name for the same box is surer, the difference is taken off: what looks more like a
remote control than like a phone is less of a phone (`evidence`). What a head says as a whole of a
phone at its ear is added to the odds of one that is seen there, or is one that may be there
(`calls`).

**What lies, and what is held.** A phone on the desk is no matter. What tells the two apart are the
pixels at its place (`pixels`), not its boxes: the boxes of a half-seen thing jump while it lies,
and hardly move with one that is held still, but what lies leaves its pixels as they are, shows them
again when a hand that was over it has gone, and had them before it was first seen. Grids of grey
cells from a fifth of a second to a minute ago are kept for that, and of each thing one of when it
was last seen to lie. So of the boxes of one look those that show pixels of a thing that lies there
are that thing; what appears by pixels that were not there, or near what a hand had, is in a hand;
anything else lies (`tracks`). A hand has one thing, of which the surest box tells, wherever it
goes: a phone that is raised moves by more than its size between two looks. What a hand has lies
when two looks find its pixels to be those of nearly two seconds ago; it is known to by pixels of
two seconds ago. Until it has lain for ten seconds the grids of so long ago and more stay those of
the desk without it: what a hand brings back to where it was has come again. The box of a thing that
is known to lie may be a little off with a hand over it, or farther beside one.

**What is heard.** A look that shows a thing's place without seeing it there counts against it as
log-odds of 3 %. What the looks of the last second and a half say together is their *mean*: looks of
one eye at one grip hardly say more together than each alone, so they must not be added up as if
they were independent (of a held phone's score four fifths of the variance stay the same within a
grip). Looks in which the thing is a few pixels count for less. Many weak looks that agree so say
more than one strong one, a look that saw nothing confirms nothing, and two eyes of different
making, which err differently, help each other.

**What follows.** A thing that is likely enough a phone (the threshold of the set of eyes in
`models/manifest.toml`, or the configuration's) and in a hand that raises it before somebody, or
that stirs after it came, is a phone in use: a light, after the hold. What is not before somebody,
or beside a place that something left, may only have been pushed: there one look that stirs may be
the hand that passes, the mean of the looks says whether it is held, and what shows the pixels of
half a second ago does not stir. A sound takes more evidence, over three seconds. What lies is
remembered for a minute where it was last seen to, and for ten seconds under a hand; it is no
pick-up when it shows again.

    geometry   boxes that say the same
    evidence   scores, log-odds, means
    calls      phones at ears, which hardly any box shows
    pixels     whether the pixels at a place are those that were there
    tracks     what lies and what a hand has, from the first look to the last
    people     who sits where
    docks      phones in their docks
    view       whether the camera sees the desk at all
    attention  where to look next
    observe    one frame: all of these together
"""
