// A case for the box, made of numbers: see ENCLOSURE.md. Lengths in mm, angles in degrees.
// The lid is the front: it looks at you. Y is up when the box stands.

part = "assembly";      // tray, lid, shutter, foot, clamp, fit (thin slices to try the holes),
                        // assembly (to look at)

// ---- what you have
board = "pi";           // pi (3, 4, 5) or zero
camera = "module3";     // module3, wide, module2
monitor_depth = 35;     // of the top of your monitor, for the clamp

// ---- where it stands (PLACING.md): lens above the desk, lens to your hands and to your face along
// the desk, your eyes above the desk
lens_height = 300;
hands_away = 700;
face_away = 900;
eyes_height = 450;

// ---- the case
wall = 2.0;
front = 3.2;            // the lid: the shutter runs in it
gap = 0.3;              // between parts that slide into each other
air = 1.5;              // around the board
height = 34;            // inside: the board, a perfboard on its header, the cables
post = 4;               // under the board
status_led = 5.2;       // hole for a 5 mm LED
warning_led = 5.2;      // 8.2 for 8 mm ones
warning_leds = 2;
guide = 7;              // how deep the tube behind each LED is: it keeps the light off the lens
button_hole = 12.2;
buzzer = 14;            // what the collar behind the grille holds
drop = 60;              // from the bolts down to desk or monitor: room for the power plug

// ---- the camera looks at the middle between your hands and the top of your head
to_hands = atan(lens_height / hands_away);                      // down
to_head = atan((lens_height - eyes_height - 120) / face_away);   // down; negative: up
tilt = (to_hands + to_head) / 2;
needed = to_hands - to_head;
// https://www.raspberrypi.com/documentation/accessories/camera.html, vertical field of view
sees = camera == "wide" ? 67 : camera == "module2" ? 48.8 : 41;
lens = camera == "module2" ? 8 : 9;
echo(tilt = tilt, needed = needed, sees = sees);
if (needed > sees)
    echo(str("TOO NEAR: hands and head span ", needed, " degrees, the camera sees ", sees));
lean = -min(max(tilt, -20), 20);        // what fits between lid and camera; the rest: lean the foot

// A camera's board, its lens in the middle and the ribbon down: two holes beside the lens, two above.
camera_holes = [for (x = [-10.5, 10.5], y = [0, 12.5]) [x, y]];
camera_board = [25, 24];
below_lens = 9.5;       // so far the board goes down
stand = 7.5;            // its front above the lid: as high as a lens

board_x = board == "zero" ? 65 : 85;
board_y = board == "zero" ? 30 : 56;
holes_x = 58;
holes_y = board == "zero" ? 23 : 49;
hole_in = 3.5;          // from the edge of the board to the middle of a hole

inner_x = max(board_x, 80) + 2 * air;
inner_y = max(board_y, 56) + 2 * air;
outer_x = inner_x + 2 * wall;
outer_y = inner_y + 2 * wall;
middle = outer_x / 2;
camera_y = outer_y - 21;
bolts = 30;             // between the two M3 that hold foot or clamp to the back
bolts_y = outer_y / 2;

slide_x = 16;           // the shutter, at its narrow side
slide_y = 13;
slide_z = 1.4;          // how high it slants
blunt = 0.6;            // and its edge above that
slide_open = middle + 9;        // where its left edge is when the lens sees; pushed in from the right
light_y = camera_y - 16.5;
low_y = 13;             // button and grille

$fn = 48;

module plate(x, y, z, r = 3) {
    linear_extrude(z) offset(r) offset(-r) square([x, y]);
}

module board_holes() {
    for (x = [0, holes_x], y = [0, holes_y])
        translate([wall + air + hole_in + x, wall + air + hole_in + y]) children();
}

module tray() {
    difference() {
        plate(outer_x, outer_y, wall + post + height);
        translate([wall, wall, wall]) plate(inner_x, inner_y, post + height + 1, 1.5);
        // Cables: power and the ports, one long side and one short side open above the board.
        translate([wall + 8, -1, wall + post]) cube([board_x - 16, wall + 2, 16]);
        translate([outer_x - wall - 1, wall + 4, wall + post]) cube([wall + 2, inner_y - 8, 18]);
        // The card, from the other short side.
        translate([-1, wall + air + board_y / 2 - 8, wall + post - 3]) cube([wall + 2, 16, 5]);
        for (x = [12 : 8 : outer_x - 12])           // air, from below and from above
            translate([x, outer_y - wall - 1, wall + 8]) cube([3, wall + 2, height - 12]);
        board_holes() translate([0, 0, -1]) cylinder(d = 2.7, h = wall + post + 2);
        // The nuts of the board, from behind.
        board_holes() translate([0, 0, -1]) cylinder(d = 5.8, h = 3, $fn = 6);
        // Foot or clamp: M3, their heads inside and under the board.
        for (x = [-bolts / 2, bolts / 2]) translate([middle + x, bolts_y, -1]) {
            cylinder(d = 3.4, h = wall + 2);
            translate([0, 0, 1.8]) cylinder(d1 = 3.4, d2 = 5.8, h = 1.21);
        }
        // Two slots for a tie that holds the power cable.
        for (x = [-4, 4]) translate([middle + x - 1.5, 4.5, -1]) cube([3, 1.8, wall + 2]);
    }
    board_holes() difference() {
        translate([0, 0, wall - 0.01]) cylinder(d = 6.4, h = post + 0.01);
        translate([0, 0, -1]) cylinder(d = 2.7, h = wall + post + 2);
    }
}

// A post for the camera, from the lid up to a plane that leans.
module camera_post(x, y) {
    hull() {
        rotate([lean, 0, 0]) translate([x, y, stand - 1.2]) cylinder(d = 4.6, h = 1.2);
        translate([x, y * cos(lean) - stand * sin(lean), -0.5]) cylinder(d = 5.2, h = 0.5);
    }
}

module groove(extra = 0) {
    // Narrow at the front, wider behind: the shutter cannot fall out. 45 degrees, prints by itself.
    long = outer_x - middle + slide_x / 2 + 1;
    difference() {
        translate([middle - slide_x / 2 - extra, camera_y - slide_y / 2 - extra, -0.01]) hull() {
            cube([long, slide_y + 2 * extra, 0.01]);
            translate([0, -slide_z, slide_z])
                cube([long, slide_y + 2 * slide_z + 2 * extra, blunt + extra]);
        }
        // Two bumps that it clicks over, so that it does not slide out again.
        for (y = [-4, 4]) translate([slide_open + slide_x + 1.2, camera_y + y, slide_z + blunt - 0.55])
            cylinder(d1 = 1, d2 = 2.4, h = 1);
    }
}

module tube(d, h) {
    difference() {
        cylinder(d = d + 2.6, h = h);
        translate([0, 0, -1]) cylinder(d = d, h = h + 2);
    }
}

module lid() {
    difference() {
        union() {
            plate(outer_x, outer_y, front);
            // The rim that holds it in the tray.
            translate([wall + gap, wall + gap, front - 0.01]) difference() {
                plate(inner_x - 2 * gap, inner_y - 2 * gap, 4, 1.5);
                translate([1.6, 1.6, -1])
                    plate(inner_x - 2 * gap - 3.2, inner_y - 2 * gap - 3.2, 6, 1);
            }
            translate([middle, camera_y, front])
                for (at = camera_holes) camera_post(at.x, at.y);
            translate([middle - camera_x_off(), camera_y, front - 0.01]) tube(status_led, guide);
            for (n = [0 : warning_leds - 1])
                translate([warning_x(n), light_y, front - 0.01]) tube(warning_led, guide);
            translate([middle + 20, low_y, front - 0.01]) tube(buzzer, 4);
        }
        groove(gap / 2);
        // What the lens sees, leaning with it.
        translate([middle, camera_y, front]) rotate([lean, 0, 0]) {
            translate([0, 0, -8]) cylinder(d1 = lens + 6, d2 = lens, h = 8);
            translate([0, 0, -0.01]) cylinder(d = lens, h = 4);
        }
        translate([middle, camera_y, front]) for (at = camera_holes)       // M2, 5 mm deep
            rotate([lean, 0, 0]) translate([at.x, at.y, stand - 5]) cylinder(d = 1.7, h = 8);
        translate([middle - camera_x_off(), camera_y, -1]) cylinder(d = status_led, h = front + 2);
        for (n = [0 : warning_leds - 1])
            translate([warning_x(n), light_y, -1]) cylinder(d = warning_led, h = front + 2);
        translate([middle - 20, low_y, -1]) cylinder(d = button_hole, h = front + 2);
        translate([middle + 20, low_y, -1]) {                          // the grille
            cylinder(d = 2, h = front + 2);
            for (ring = [1, 2], a = [0 : 60 / ring : 359])
                rotate(a) translate([ring * buzzer / 5.6, 0]) cylinder(d = 2, h = front + 2);
        }
    }
}

function camera_x_off() = 25 / 2 + 10;
function warning_x(n) = middle + (n - (warning_leds - 1) / 2) * 30;

module shutter() {
    difference() {
        union() {
            hull() {
                cube([slide_x, slide_y - gap, 0.01]);
                translate([0, -slide_z + gap / 2, slide_z - gap / 2])
                    cube([slide_x, slide_y + 2 * slide_z - 2 * gap, blunt]);
            }
        }
        // Lines to push it by.
        for (x = [3 : 2.5 : slide_x - 3]) translate([x, 2, -0.01]) cube([1, slide_y - 4 - gap, 0.6]);
    }
}

// Foot and clamp are outlines seen from the side, pulled out: they print lying on that side.
// x: away from the back of the case; y: up, 0 at the bolts.
module bracket(width) {
    difference() {
        linear_extrude(width) children();
        for (z = [-bolts / 2, bolts / 2]) translate([-1, 0, width / 2 + z]) rotate([0, 90, 0]) {
            cylinder(d = 3.4, h = 30);
            translate([0, 0, 1 + 3]) cylinder(d = 6.6, h = 30, $fn = 6);     // the nut
        }
    }
}

module foot() {
    difference() {
        bracket(46) polygon([
            [0, 12], [6, 12], [6, -drop + 30], [24, -drop + 9], [40, -drop + 9], [40, -drop],
            [-38, -drop], [-38, -drop + 9], [0, -drop + 9]]);
        // A tripod's 1/4 inch: the hole from below, the nut from above.
        translate([-14, -drop - 1, 23]) rotate([-90, 0, 0]) {
            cylinder(d = 6.8, h = 12);
            translate([0, 0, 4.2]) rotate(30) cylinder(d = 11.4 / cos(30), h = 12, $fn = 6);
        }
    }
}

module clamp() {
    // Its tongue lies on the monitor, the lip hangs before it, the leg behind leans on it.
    back = monitor_depth + 6;
    bracket(46) polygon([
        [0, 12], [6, 12], [6, -drop + 22], [20, -drop + 5], [back + 5, -drop + 5],
        [back + 5, -drop - 45], [back - 0.8, -drop - 45], [back, -drop], [6, -drop],
        [6, -drop - 9], [0, -drop - 9]]);
}

if (part == "tray") tray();
if (part == "lid") lid();
if (part == "shutter") shutter();
if (part == "foot") foot();
if (part == "clamp") clamp();
if (part == "fit") {
    intersection() {
        tray();
        translate([-1, -1, -1]) cube([outer_x + 2, outer_y + 2, 1 + wall + post]);
    }
    translate([0, outer_y + 10, 0]) intersection() {
        lid();
        translate([-1, -1, -1]) cube([outer_x + 2, outer_y + 2, 1 + front]);
    }
}
if (part == "assembly") rotate([90, 0, 0]) {
    back = -wall - post - height - front;
    color("#90a4ae") translate([0, 0, back]) tray();
    color("#2e7d32") translate([wall + air, wall + air, -height - front])
        cube([board_x, board_y, 1.4]);
    color("#cfd8dc") mirror([0, 0, 1]) lid();
    color("#ff8f00") translate([slide_open, camera_y - slide_y / 2 + gap / 2, 0])
        mirror([0, 0, 1]) shutter();
    color("#ef5350") translate([middle - 20, low_y, -4]) cylinder(d = button_hole - 0.4, h = 7);
    for (n = [0 : warning_leds - 1]) color("#ffca28") translate([warning_x(n), light_y, -2]) {
        cylinder(d = 5, h = 3);
        translate([0, 0, 3]) sphere(d = 5);
    }
    color("#eceff1") translate([middle - camera_x_off(), camera_y, -2]) {
        cylinder(d = 5, h = 3);
        translate([0, 0, 3]) sphere(d = 5);
    }
    color("#212121") translate([middle, camera_y, -front]) rotate([-lean, 0, 0]) {
        translate([0, 0, -stand]) cylinder(d = 7.4, h = stand + 0.4);
        translate([-camera_board.x / 2, -below_lens, -stand - 1])
            cube([camera_board.x, camera_board.y, 1]);
    }
    color("#78909c") translate([middle - 23, bolts_y, back]) rotate([0, 90, 0]) foot();
}
