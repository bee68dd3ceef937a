"""The page for browsers, in Chromium where that and ONNX Runtime's files for it are there."""

import base64
import functools
import http.server
import json
import os
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import build_page
from conftest import ROOT, write_image

import human_segmentation as hs
from human_segmentation.video.background import cover
from human_segmentation.video.composite import FUSION_SIZES, replace_background
from human_segmentation.video.refine import refine_alpha
from human_segmentation.video.temporal import FlowTracker

WEB = ROOT / "deploy" / "web"
RUNTIME = Path(os.environ.get("ORT_WEB", WEB / "node_modules" / "onnxruntime-web" / "dist"))
MODELS = ROOT / "pretrain_weights"
PHOTO = ROOT / "data" / "human_image.jpg"
WAIT = 60


def photo(size: tuple[int, int]) -> np.ndarray:
    """The sample photo, larger at the left so that it covers a size."""
    return cover(cv2.imread(str(PHOTO)), size)


class Site:
    """The page in Chromium, with the folder that it lies in."""

    def __init__(self, folder: Path, address: str, camera: Path) -> None:
        from selenium import webdriver

        self.folder, self._address = folder, address
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (
            "headless=new",
            "no-sandbox",
            "disable-background-networking",
            "enable-unsafe-swiftshader",
            "use-fake-ui-for-media-stream",
            "use-fake-device-for-media-stream",
            f"use-file-for-fake-video-capture={camera}",
        ):
            options.add_argument(f"--{flag}")
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self.driver.set_script_timeout(WAIT)
        self.open()

    def open(self) -> None:
        self.driver.get(self._address)
        self.wait_for(lambda said: said != "Loading the model")
        assert self.said() == "Ready"

    def said(self) -> str:
        return str(self.element("said").get_attribute("value"))

    def element(self, name: str):  # type: ignore[no-untyped-def]
        return self.driver.find_element("id", name)

    def wait_for(self, what) -> None:  # type: ignore[no-untyped-def]
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, WAIT).until(lambda _: what(self.said()))

    def run(self, script: str) -> object:
        """What a script, the body of an async function, returns."""
        value, error = self.driver.execute_async_script(
            f"const work = async () => {{ {script} }};"
            "work().then((value) => arguments[0]([value, null]), (error) => arguments[0]([null, error.stack]))"
        )
        assert error is None, error
        return value

    def canvas(self, name: str = "document.getElementById('canvas')") -> np.ndarray:
        """What a canvas shows, BGRA."""
        url = str(self.driver.execute_script(f"return {name}.toDataURL('image/png')"))
        return cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    if not (shutil.which("chromium") and shutil.which("chromedriver") and RUNTIME.is_dir()):
        pytest.skip("no Chromium with its driver, or no ONNX Runtime for browsers: npm install --prefix deploy/web")
    folder = tmp_path_factory.mktemp("site") / "web"
    assert build_page("--save_dir", folder, "--runtime", RUNTIME).returncode == 0
    camera = folder.parent / "camera.mjpeg"
    camera.write_bytes(cv2.imencode(".jpg", photo((640, 360)))[1].tobytes() * 2)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = Site(folder, f"http://127.0.0.1:{server.server_port}/", camera)
    yield site
    site.driver.quit()
    server.shutdown()
    server.server_close()


FETCHED = """const fetched = (name) => fetch(name, { cache: 'no-store' });
const picture = await createImageBitmap(await (await fetched('picture.png')).blob());
const { Network } = await import('./network.js');
const { Stage } = await import('./stage.js');
const { matte } = await import('./matte.js');"""


@pytest.mark.parametrize("size", [(320, 192), (320, 180), (191, 320), (640, 360)])
def test_input_is_that_of_python(site: Site, size: tuple[int, int]) -> None:
    image = photo(size)
    write_image(site.folder / "picture.png", image)
    given = site.run(
        FETCHED
        + """const network = await Network.load('model');
        const place = network.place(picture.width, picture.height);
        return [place, Array.from(network.tensor(network.pixels(picture, place)))];"""
    )
    model = hs.load_model(engine="onnxruntime")
    expected = model.tensor(model.preprocess.resize(image))[0]
    place, tensor = given  # type: ignore[misc]
    left, top, width, height = model.preprocess.content(size)
    assert place == {
        **{"left": left, "top": top, "width": width, "height": height},
        **{"wholeWidth": expected.shape[2], "wholeHeight": expected.shape[1]},
    }
    difference = np.abs(np.reshape(tensor, expected.shape) - expected)
    if max(size) == 320:
        assert difference.max() < 1e-5
    else:  # the browser shrinks in its own way
        assert difference.mean() < 0.05


@pytest.mark.parametrize("name", ["humanseg_mobile_quant", "portraitnet_quant"])
def test_scores_are_those_of_python(site: Site, name: str) -> None:
    assert (
        build_page("--model_dir", MODELS / name, "--save_dir", site.folder / name, "--runtime", RUNTIME).returncode == 0
    )
    model = hs.load_model(MODELS / name, engine="onnxruntime")
    image = photo((model.preprocess.width, model.preprocess.height))
    write_image(site.folder / "picture.png", image)
    score = site.run(
        FETCHED
        + f"""const network = await Network.load('{name}/model');
        return Array.from((await network.score(picture, picture.width, picture.height)).data);"""
    )
    expected = model.score(image)
    # ONNX Runtime rounds sums of 8-bit products in another way on each processor.
    assert np.abs(np.reshape(score, expected.shape) - expected).mean() < 1e-2  # type: ignore[arg-type]
    masks = np.reshape(score, expected.shape) > 0.5, expected > 0.5  # type: ignore[operator]
    assert np.logical_and(*masks).sum() > 0.98 * np.logical_or(*masks).sum()


@pytest.mark.parametrize("size", [(160, 120), (90, 160)])
def test_the_stage_shows_what_python_composes(site: Site, size: tuple[int, int]) -> None:
    """Of a picture that need not be reduced, so that all arithmetic can be seen."""
    image, landscape = photo(size), cover(cv2.imread(str(ROOT / "data" / "background.jpg")), (300, 200))
    write_image(site.folder / "picture.png", image)
    write_image(site.folder / "landscape.png", landscape)
    y, x = np.mgrid[: size[1], : size[0]]
    score = np.exp(-(((x - size[0] / 2) / 40) ** 2) - ((y - size[1] / 2) / 50) ** 4).astype(np.float32)
    (site.folder / "score.bin").write_bytes(score.tobytes())
    site.run(
        FETCHED
        + f"""const stage = new Stage(window.other = document.createElement('canvas'));
        stage.setBackground(await createImageBitmap(await (await fetched('landscape.png')).blob()));
        const {{ width, height }} = picture;
        const context = new OffscreenCanvas(width, height).getContext('2d');
        context.drawImage(picture, 0, 0);
        const pixels = context.getImageData(0, 0, width, height).data;
        const score = new Float32Array(await (await fetched('score.bin')).arrayBuffer());
        const rules = (await (await fetch('model/model.json')).json()).matte;
        rules.widths = {list(FUSION_SIZES)};
        stage.draw(picture, matte(pixels, score, width, height, rules), width, height);"""
    )
    alpha = refine_alpha(image, score)
    expected = replace_background(image, cover(landscape, size), alpha).astype(int)
    shown = site.canvas("window.other")
    assert (shown[..., 3] == 255).all()
    difference = np.abs(shown[..., :3] - expected)
    assert ((alpha > 0.1) & (alpha < 0.9)).mean() > 0.02
    assert difference.mean() < 1
    assert np.percentile(difference[alpha > 0.5], 99) <= 4


def test_a_mirrored_look_is_that_of_python(site: Site) -> None:
    image = photo((320, 192))
    write_image(site.folder / "picture.png", image)
    given = site.run(
        FETCHED
        + """const { data, gray } = await (await Network.load('model')).score(picture, 320, 192, true);
        return [Array.from(data), Array.from(gray)];"""
    )
    model = hs.load_model(engine="onnxruntime")
    expected = cv2.flip(model.score(cv2.flip(image, 1)), 1)
    score, gray = np.reshape(given, (2, *expected.shape))  # type: ignore[arg-type]
    assert np.abs(score - expected).mean() < 1e-2 < np.abs(score - model.score(image)).mean()
    assert np.abs(gray - cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)).max() < 0.51


def test_where_nobody_is_nothing_is_left(site: Site) -> None:
    room = cv2.resize(cv2.imread(str(ROOT / "data" / "background.jpg")), (320, 180))
    write_image(site.folder / "picture.png", room)
    script = """const network = await Network.load('model');
        network.rules.sure = SURE;
        return Array.from((await network.score(picture, 320, 180)).data);"""
    haze = site.run(FETCHED + script.replace("SURE", "0"))
    assert 0 < max(haze) < 0.7  # type: ignore[call-overload]
    assert not np.any(site.run(FETCHED + script.replace("SURE", "network.rules.sure")))


def test_scores_are_steadied_as_in_python(site: Site) -> None:
    """Where nothing moves, so that there is no flow: of a picture that grows brighter, then of another one."""
    rng = np.random.default_rng(0)
    gray = cv2.cvtColor(photo((96, 64)), cv2.COLOR_BGR2GRAY) // 2
    grays = [gray, gray + 4, gray + 14, gray + 14, 255 - gray]
    scores = (
        rng.random((len(grays), 1, 1), np.float32) * 0.2 + cv2.resize(rng.random((6, 9), np.float32), (96, 64)) * 0.8
    )
    frames = [[plane.ravel().tolist() for plane in pair] for pair in zip(grays, scores, strict=True)]
    given = site.run(
        f"""const {{ Steady }} = await import('./steady.js');
        const steady = new Steady((await (await fetch('model/model.json')).json()).steady);
        const results = [];
        for (const [gray, score] of {json.dumps(frames)}) {{
            const mirrors = steady.mirrors;
            results.push([mirrors, Array.from(steady.fuse(Float32Array.from(gray), Float32Array.from(score)))]);
        }}
        return results;"""
    )
    tracker = FlowTracker()
    expected = [
        tracker(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), score) for gray, score in zip(grays, scores, strict=True)
    ]
    assert [mirrors for mirrors, _ in given] == [False, True, False, True, False]  # type: ignore[attr-defined]
    for (_, found), smooth in zip(given, expected, strict=True):  # type: ignore[call-overload]
        assert np.abs(np.reshape(found, smooth.shape) - smooth).max() < 1e-3
    changes = [np.abs(smooth - score).max() for smooth, score in zip(expected, scores, strict=True)]
    assert min(changes[1:4]) > 0.03
    assert changes[4] == 0  # a new scene


def test_a_photo_on_another_background_and_on_none(site: Site) -> None:
    site.open()
    site.element("file").send_keys(str(PHOTO))
    site.wait_for(lambda said: said == PHOTO.name)
    image = cv2.imread(str(PHOTO))
    model = hs.load_model()
    alpha = refine_alpha(image, model.score(model.preprocess.resize(image)))
    room = cover(cv2.imread(str(ROOT / "data" / "background.jpg")), image.shape[1::-1])
    shown = site.canvas()
    assert shown.shape == (*image.shape[:2], 4)
    assert np.abs(shown[..., :3] - replace_background(image, room, alpha).astype(int)).mean() < 4
    site.element("nothing").click()
    site.wait_for(lambda _: site.canvas()[0, 0, 3] == 0)
    assert np.abs(site.canvas()[..., 3] / 255 - alpha).mean() < 0.02
    write_image(site.folder / "plain.png", np.full((50, 80, 3), (10, 200, 30), np.uint8))
    site.element("background").send_keys(str(site.folder / "plain.png"))
    site.wait_for(lambda _: site.canvas()[0, 0, 3] == 255)
    np.testing.assert_allclose(site.canvas()[0, 0, :3], (10, 200, 30), atol=1)


@pytest.mark.parametrize("kind", ["transparent", "large"])
def test_a_photo_is_shown_as_another_one(site: Site, kind: str) -> None:
    """What is transparent as if it were white, and what is too large for a GPU as if it were smaller."""
    size = (640, 400) if kind == "transparent" else (5120, 3200)
    given, usual = photo(size), photo((640, 400))
    if kind == "transparent":
        usual[:, :300] = 255
        given = cv2.cvtColor(given, cv2.COLOR_BGR2BGRA)
        given[:, :300, 3] = 0
    shown = []
    for name, image in (("usual.png", usual), ("given.png", given)):
        site.open()
        site.element("file").send_keys(str(write_image(site.folder / name, image)))
        site.wait_for(lambda said, name=name: said == name)
        shown.append(site.canvas())
    assert max(shown[1].shape) == min(4096, max(size))
    small = cv2.resize(shown[1], (640, 400), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - shown[0]).mean() < 3


def test_no_camera_is_left_running(site: Site) -> None:
    """By who clicks twice, and then chooses a photo, which stays."""
    site.open()
    site.run(
        """const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
        window.streams = [];
        media.getUserMedia = async (wish) => { const stream = await open(wish); streams.push(stream); return stream; };
        document.getElementById("camera").click();
        document.getElementById("camera").click();"""
    )
    site.wait_for(lambda said: said.endswith("frames a second"))
    live = "return window.streams.map((stream) => stream.getTracks()[0].readyState)"
    assert sorted(site.driver.execute_script(live)) == ["ended", "live"]
    for _ in range(2):  # the same photo again
        site.element("file").send_keys(str(PHOTO))
        site.wait_for(lambda said: said == PHOTO.name)
        site.element("camera").click()
        site.element("file").send_keys(str(PHOTO))
        site.wait_for(lambda said: said == PHOTO.name)
        site.wait_for(lambda _: "live" not in site.driver.execute_script(live))
    assert site.canvas().shape[:2] == (512, 512)
    assert site.said() == PHOTO.name


def test_a_camera_is_a_mirror_until_it_is_gone(site: Site) -> None:
    site.open()
    site.run(
        """const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
        media.getUserMedia = async (wish) => (window.stream = await open(wish));
        document.getElementById("camera").click();"""
    )
    site.wait_for(lambda said: said.endswith("frames a second"))
    turned = "return getComputedStyle(document.getElementById('canvas')).transform"
    assert site.driver.execute_script(turned) == "matrix(-1, 0, 0, 1, 0, 0)"
    site.run("const [track] = stream.getTracks(); track.stop(); track.dispatchEvent(new Event('ended'));")
    site.wait_for(lambda said: said == "The camera gives no more pictures")
    assert site.driver.execute_script(turned) == "none"


def test_a_video_plays_and_the_camera_takes_its_place(site: Site) -> None:
    site.open()
    site.element("file").send_keys(str(ROOT / "data" / "video_test.mp4"))
    site.wait_for(lambda said: said.endswith("frames a second"))
    site.element("camera").click()
    expected = photo((640, 360))
    model = hs.load_model()
    alpha = refine_alpha(expected, model.score(model.preprocess.resize(expected)))

    def distance(where: np.ndarray) -> float:
        shown = cv2.resize(site.canvas()[..., :3], (640, 360), interpolation=cv2.INTER_AREA)
        return float(np.abs(shown[where].astype(int) - expected[where]).mean())

    site.wait_for(lambda _: distance(alpha > 0.99) < 12)
    assert distance(alpha < 0.01) > 30
