"""The viewer's controls: which fit, frame and stage is shown, and what of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from render_fit.core.errors import InputError
from render_fit.export.viewer.scene import OTHER_COLOUR, FitScene, Look
from render_fit.export.viewer.verdict import (
    NO_STAGES,
    NO_STAGES_OF_SEVERAL,
    girths_text,
    notes,
    plain,
    stage_text,
    verdict,
)
from render_fit.export.viewer.viewed import Viewed

if TYPE_CHECKING:
    import viser

BESIDE, ON_TOP = "beside", "on top"
VIEWS = ("photo", "front", "side", "back")
GAP_M = 0.4
"""Distance between the photos of two results that stand beside each other, metres."""

NEAR_M = 0.01
"""Nearest distance that is drawn, metres."""

CAMERA_SHARE = 0.15
"""The same from the photo's camera, in distances of the person."""

FPS = 10
"""Frames a second where a fit has none of its own."""

SEE_THROUGH = 0.45
"""Opacity of the mesh when something inside of it is shown."""


class Panel:
    """Controls and scenes of a viewer.

    Args:
        server: The viser server.
        fits: Name of each fit → what reads it.
        others: The same for results to compare with.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        fits: Mapping[str, Callable[[], Viewed]],
        others: Mapping[str, Callable[[], Viewed]],
    ) -> None:
        self.server, self._fits, self._others = server, fits, others
        self._lock, self._ended = threading.RLock(), threading.Event()
        self._controls: dict[str, Any] = {}
        self._scenes: list[FitScene] = []
        self._folder: Any = None
        self._view: tuple[str, int] = ("start", 0)
        server.scene.set_up_direction("+y")
        server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        server.gui.main_panel.dock_right()
        server.scene.configure_environment_map(None)  # lamps suffice for bodies, and old machines draw them faster
        server.scene.configure_default_lights(False)
        server.scene.add_light_hemisphere("/light/sky", ground_color=(170, 165, 160), intensity=2.2)
        for name, side in (("left", -1.0), ("right", 0.7)):
            server.scene.add_light_directional(
                f"/light/{name}", intensity=1.1 * abs(side), cast_shadow=False,
                position=(3.0 * side, 4.0, 4.0 * (1 if side < 0 else -1)),
            )  # fmt: skip
        self._ground = server.scene.add_grid(
            "/ground", 8.0, 8.0, plane="xz", cell_size=0.25, section_size=1.0, cell_color=(222, 222, 222),
            section_color=(190, 190, 190),
        )  # fmt: skip
        names = list(fits)
        if len(names) > 1:
            choice = server.gui.add_dropdown("fit", names, initial_value=names[0])
            problem = server.gui.add_markdown("", visible=False)

            @choice.on_update
            def _(_: Any) -> None:
                problem.visible = False
                try:
                    self.open(choice.value)
                except InputError as error:
                    problem.content, problem.visible = plain(str(error)), True

        self.open(names[0])
        threading.Thread(target=self._play, daemon=True).start()

    @property
    def scenes(self) -> tuple[FitScene, ...]:
        """The scene of the fit, and that of the result it is compared with."""
        return tuple(self._scenes)

    def control(self, name: str) -> Any:
        """A control by its label, such as ``stage``; its ``value`` can be read and set."""
        return self._controls[name]

    def open(self, name: str) -> None:
        """Shows a fit.

        Raises:
            InputError: if a file of it cannot be used; what was shown stays.
        """
        with self._lock:
            found = [self._fits[name](), *([self._others[name]()] if name in self._others else [])]
            for scene in self._scenes:
                scene.remove()
            if self._folder is not None:
                self._folder.remove()
            self._scenes = [FitScene(self.server.scene, f"/{'ab'[i]}", one) for i, one in enumerate(found)]
            self._controls = {}
            self._folder = self.server.gui.add_folder(name)
            with self._folder:
                self._add_controls(found[0])
            self.see("start")
            self.update()

    def update(self) -> None:
        """Draws what the controls say."""
        with self._lock, self.server.atomic():
            look = self.look()
            self._ground.visible = self._controls["ground"].value
            for number, scene in enumerate(self._scenes):
                own = _possible(look, scene.viewed)
                on_top = number == 1 and self._controls["compare"].value == ON_TOP
                scene.place = self._place(number, own.frame)
                scene.show(replace(own, colour=OTHER_COLOUR, parts=False) if on_top else own)
            self._tell(look)
        if self._view[0] == "photo" and self._view[1] != look.frame:  # each image has a camera of its own
            self.see("photo")

    def look(self) -> Look:
        """What the controls say is to be shown."""
        value: dict[str, Any] = {name: getattr(control, "value", None) for name, control in self._controls.items()}
        viewed = self._scenes[0].viewed
        stage = int(value["stage"]) if "stage" in value else len(viewed.stages)
        return Look(
            frame=viewed.frames[int(value.get("frame") or 0)],
            stage=stage if stage < len(viewed.stages) else None,
            body=bool(value["body"]),
            clothes=bool(value.get("clothes")),
            opacity=float(value["opacity"]),
            parts=bool(value["part colours"]),
            photo=bool(value["photo"]),
            camera=bool(value["camera"]),
            skeleton=bool(value["skeleton"]),
            uncertainty=bool(value.get("uncertainty")),
            girths=bool(value["tapes"]),
            hypotheses=bool(value.get("hypotheses")),
        )

    def stop(self) -> None:
        """Ends the playing of frames."""
        self._ended.set()

    def _add_controls(self, viewed: Viewed) -> None:
        gui = self.server.gui
        self._controls["verdict"] = gui.add_markdown("")
        if notes(viewed, viewed.frames[0]):
            with gui.add_folder("notes", expand_by_default=False):
                self._controls["notes"] = gui.add_markdown("")
        hint = "photo: from its camera, where the body covers the person"
        views = gui.add_button_group("view", VIEWS, hint=hint)
        views.on_click(lambda _: self.see(views.value))
        if len(viewed.frames) > 1:
            self._add("frame", gui.add_slider("frame", 0, len(viewed.frames) - 1, 1, 0))
            self._controls["play"] = gui.add_checkbox("play", False)
            self._controls["fps"] = gui.add_slider("fps", 1, 60, 1, round(viewed.saved.fps or FPS))
        if viewed.stages:
            n = len(viewed.stages)
            self._add("stage", gui.add_slider("stage", 0, n, 1, n, hint="in order; the last is the result"))
            self._controls["stage text"] = gui.add_markdown("")
            self._add("hypotheses", gui.add_checkbox("hypotheses", False, hint="what else the stage handed on"))
        else:
            gui.add_markdown(NO_STAGES if len(viewed.saved.poses) == 1 else NO_STAGES_OF_SEVERAL)
        dressed = viewed.saved.offsets is not None
        with gui.add_folder("show"):
            if dressed:
                self._add("clothes", gui.add_checkbox("clothes", True))
            self._add("body", gui.add_checkbox("body", not dressed, hint="without clothes"))
            self._add("opacity", gui.add_slider("opacity", 0.1, 1.0, 0.05, 1.0))
            self._add("part colours", gui.add_checkbox("part colours", False))
            self._add("photo", gui.add_checkbox("photo", True))
            self._add("camera", gui.add_checkbox("camera", True))
            self._add("skeleton", gui.add_checkbox("skeleton", False), inside=True)
            if viewed.saved.joints_covariance is not None:
                hint = "where each joint is, relative to the pelvis, with a probability of 90 %"
                self._add("uncertainty", gui.add_checkbox("uncertainty", False, hint=hint), inside=True)
            hint = "girths by ISO 8559-1, on the body without clothes"
            self._add("tapes", gui.add_checkbox("tapes", False, hint=hint), inside=True)
            self._controls["girths"] = gui.add_markdown("", visible=False)
            self._add("ground", gui.add_checkbox("ground", True))
        if len(self._scenes) > 1:
            self._add("compare", gui.add_dropdown("compare", (BESIDE, ON_TOP), initial_value=BESIDE))
            self._controls["other"] = gui.add_markdown("")

    def _add(self, name: str, control: Any, inside: bool = False) -> None:
        """Keeps a control that changes what is drawn; one of things inside of the body makes the mesh translucent."""
        self._controls[name] = control

        def changed(_: Any) -> None:
            with self._lock:
                opacity = self._controls["opacity"]
                if inside and control.value and opacity.value == 1:
                    opacity.value = SEE_THROUGH
                self.update()

        control.on_update(changed)

    def _tell(self, look: Look) -> None:
        """Writes the texts of the panel."""
        viewed = self._scenes[0].viewed
        texts = {"verdict": verdict(viewed, look.frame)}
        if "notes" in self._controls:
            texts["notes"] = notes(viewed, look.frame)
        if viewed.stages:
            texts["stage text"] = stage_text(viewed, look.stage)
        self._controls["girths"].visible = look.girths
        if look.girths:
            texts["girths"] = girths_text(self._scenes[0].girths)
        if len(self._scenes) > 1:
            other = self._scenes[1].viewed
            texts["other"] = f"**compared with** {verdict(other, _possible(look, other).frame)}"
        for name, text in texts.items():
            if self._controls[name].content != text:
                self._controls[name].content = text

    def _place(self, number: int, frame: int) -> np.ndarray:
        """Where a scene stands, world coordinates, metres."""
        if number == 0:
            return np.zeros(3)
        first, second = self._scenes
        shown = self.look().frame
        if self._controls["compare"].value == ON_TOP:  # one camera: differences in depth are seen
            ahead = first.viewed.ground(shown) - second.viewed.ground(frame)
            return -ahead * np.array([1.0, -1.0, -1.0])
        ends = []
        for scene, own, side in ((first, shown, 1), (second, frame, -1)):
            plane = scene.plane(own)
            edge = plane.centre[0] + side * plane.width / 2 - scene.viewed.ground(own)[0]
            ends.append(edge)
        return np.array([ends[0] - ends[1] + GAP_M, 0.0, 0.0])

    def see(self, name: str) -> None:
        """Moves the cameras of all who look on: to the photo's camera, or to a side of the person."""
        scene, look = self._scenes[0], self.look()
        self._view = (name, look.frame)
        camera = scene.to_world(np.zeros(3), look.frame)
        seen = scene.to_world(scene.viewed.posed(look.frame).outer, look.frame)
        height = max(float(np.ptp(seen[:, 1])), 0.5)
        middle = (seen.min(0) + seen.max(0)) / 2
        saved = scene.viewed.saved.frame(look.frame)
        fov = 2 * float(np.arctan(saved.image_size[0] / 2 / saved.K[1, 1]))
        if name == "photo":
            target = scene.to_world(scene.plane(look.frame).centre, look.frame)
        else:
            turns = {"start": -0.5, "front": -0.15, "side": np.pi / 2, "back": np.pi}
            yaw, away = turns[name], 2.7 * height
            lift = 0.35 * height if name == "start" else 0.1 * height
            camera = middle + np.array([away * np.sin(yaw), lift, away * np.cos(yaw)])
            target, fov = middle, 0.8
        initial = self.server.initial_camera
        initial.position, initial.look_at, initial.fov = tuple(camera), tuple(target), fov
        for client in self.server.get_clients().values():
            with client.atomic():
                client.camera.position, client.camera.look_at, client.camera.fov = camera, target, fov
                # the drawn camera would cover the picture of one who looks from within it
                near = CAMERA_SHARE * float(saved.joints[0, 0, 2])
                client.camera.near = near if name == "photo" else NEAR_M

    def _play(self) -> None:
        """Advances the frame while ``play`` is checked."""
        while not self._ended.is_set():
            controls = self._controls
            playing = "play" in controls and controls["play"].value
            if playing:
                slider = controls["frame"]
                slider.value = 0 if slider.value >= slider.max else slider.value + 1
            self._ended.wait(1 / controls["fps"].value if playing else 0.2)


def _possible(look: Look, viewed: Viewed) -> Look:
    """A look that was chosen for another fit, with a frame and a stage that this one has."""
    frame = look.frame if look.frame in viewed.frames else viewed.frames[0]
    stage = look.stage if look.stage is not None and look.stage < len(viewed.stages) else None
    return replace(look, frame=frame, stage=stage)
