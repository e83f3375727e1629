"""Reading tables: what they give to a model, and what a bad file or option is told."""

import io
from pathlib import Path

import numpy as np
import pytest
from golden_errors import check_error
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import DeriveError
from derive.resources import data_dir
from derive.train import rows, tables
from derive.train.assignment import Data, DataField, assign
from derive.train.tables import read_table

X1, X2, Y = DataField("x_1"), DataField("x_2"), DataField("y")
X = DataField("x", (2,))
SCALARS = ([X1, X2], [Y])


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(content: str | bytes) -> str:
    Path("data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return "data.csv"


def assigned(
    content: str | bytes, inputs: list[DataField], targets: list[DataField], **options: object
) -> Data:
    return assign(read_table(write(content)), inputs, targets, **options)  # type: ignore[arg-type]


FILES: dict[str, str | bytes] = {
    "empty-file": b"",
    "only-blank-lines": "\n\n  \n",
    "header-only": "x_1,x_2,y\n",
    "no-header": "1,2,0\n3,4,1\n",
    "duplicate-header": "x_1,x_1,y\n1,2,3\n",
    "unnamed-column": "x_1,,y\n1,2,3\n",
    "semicolons": "x_1;x_2;y\n1;2;0\n",
    "ragged-short": "x_1,x_2,y\n1,2,0\n1,2\n",
    "ragged-long": "x_1,x_2,y\n1,2,0\n1,2,0,9\n",
    "not-utf8": b"x_1,x_2,y\n1,2,0\n1,\xff\xfe,0\n",
    "utf16": "x_1,x_2,y\n1,2,0\n".encode("utf-16"),
    "nul-byte": b"x_1,x_2,y\n1,\x002,0\n",
    "open-quote": 'x_1,x_2,y\n1,"2,0\n3,4,1\n',
    "text-in-quote": 'x_1,x_2,y\n1,"2"a,0\n',
    "huge-cell": "x_1,x_2,y\n1," + "9" * 200_000 + ",0\n",
    "huge-line": "x_1,x_2,y\n" + "1," * 2**20 + "\n",
    "text-in-numbers": "x_1,x_2,y\n1,2,0\n1,abc,1\n",
    "underscore-number": "x_1,x_2,y\n1,1_000,0\n",
    "decimal-comma": 'x_1,x_2,y\n"1,5",2,0\n',
    "nan": "x_1,x_2,y\n1,2,0\n1,nan,1\n",
    "infinity": "x_1,x_2,y\n1,-inf,0\n",
    "overflow": "x_1,x_2,y\n1,1e999,0\n",
    "empty-cell": "x_1,x_2,y\n1,2,0\n\n1,,1\n",
    "target-empty": "x_1,x_2,y\n1,2,\n1,3,0\n",
    "target-mixed": "x_1,x_2,y\n1,2,0\n1,3,maybe\n",
    "target-number-among-labels": "x_1,x_2,y\n1,2,yes\n1,3,1\n",
    "target-missing-label": "x_1,x_2,y\n1,2,M\n1,3,B\n1,4,\n",
    "target-nan-label": "x_1,x_2,y\n1,2,M\n1,3,nan\n",
    "target-three-labels": "x_1,x_2,y\n1,2,a\n1,3,b\n1,4,c\n",
    "target-one-label": "x_1,x_2,y\n1,2,a\n1,3,a\n",
    "target-free-text": "x_1,x_2,y\n" + "".join(f"1,2,id{i}\n" for i in range(1100)),
    "control-characters": "x_1,x_2,y\n1,\x1b[2J\u202eevil" + "z" * 90 + ",0\n",
    "order-against-names": "b,x_1,y\n1,2,0\n",
    "no-target-column": "a,b,label\n1,2,0\n",
    "too-many-features": "a,b,c,y\n1,2,3,0\n",
    "too-few-features": "a,y\n1,0\n",
}


@pytest.mark.parametrize("case", FILES)
def test_bad_file(case: str) -> None:
    with pytest.raises(DeriveError) as caught:
        assigned(FILES[case], *SCALARS)
    check_error(case, caught.value)


NAMED = "area,smooth,id,kind\n1,2,p,M\n3,4,q,B\n"

OPTIONS = {
    "missing-target": (SCALARS, {"target": "kund", "features": ["area", "smooth"]}),
    "missing-feature": (SCALARS, {"target": "kind", "features": ["area", "smoth"]}),
    "unlike-any-column": (SCALARS, {"target": "zzz"}),
    "feature-is-target": (SCALARS, {"target": "kind", "features": ["area", "kind"]}),
    "feature-twice": (SCALARS, {"target": "kind", "features": ["area", "area"]}),
    "feature-unused": (([DataField("area")], [Y]), {"target": "kind", "features": ["smooth", "area"]}),
    "three-for-two": (SCALARS, {"target": "kind"}),
    "text-feature": (SCALARS, {"target": "kind", "features": ["area", "id"]}),
    "vector-takes-text": (([DataField("x", ("d",))], [Y]), {"target": "kind"}),
    "vector-wrong-size": (([X], [Y]), {"target": "kind"}),
    "one-hot-wrong-size": (([X], [DataField("y", (3,))]), {"target": "kind", "features": ["area", "smooth"]}),
    "no-target-in-model": (([X], []), {"target": "kind"}),
    "two-targets": (([X], [Y, DataField("t")]), {"target": "kind"}),
    "two-vectors": (([X, DataField("u", (2,))], [Y]), {"target": "kind"}),
    "matrix-input": (([DataField("x", (2, 2))], [Y]), {"target": "kind"}),
    "not-whole": (
        ([DataField("x", ("d",))], [DataField("y", (), 2)]),
        {"target": "area", "features": ["smooth"]},
    ),
    "size-bound-twice": (
        ([DataField("x", ("d",))], [DataField("y", ("d",))]),
        {"target": "kind", "features": ["area"]},
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_bad_option(case: str) -> None:
    (inputs, targets), options = OPTIONS[case]
    with pytest.raises(DeriveError) as caught:
        assigned(NAMED, list(inputs), list(targets), **options)
    check_error(case, caught.value)


@pytest.mark.parametrize(
    ("case", "path"), [("missing-file", "nowhere.csv"), ("folder", "."), ("nul-in-path", "a\0b")]
)
def test_bad_path(case: str, path: str) -> None:
    with pytest.raises(DeriveError) as caught:
        read_table(path)
    check_error(case, caught.value)


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "FILE_LIMIT", 2 * 2**20)
    with pytest.raises(DeriveError) as caught:
        read_table(write("x\n" + "1\n" * 2**20))
    check_error("too-large", caught.value)


def test_columns_by_name_whatever_their_order() -> None:
    data = assigned("y,x_2,extra,x_1\n0,2,text,1\n1,4,,3\n", *SCALARS)
    assert data.arrays["x_1"].tolist() == [1, 3]
    assert data.arrays["x_2"].tolist() == [2, 4]
    assert data.arrays["y"].tolist() == [0, 1]
    assert data.features == ("x_1", "x_2")
    assert all(values.dtype == np.float64 for values in data.arrays.values())


def test_columns_in_the_order_of_declaration() -> None:
    data = assigned(NAMED, *SCALARS, target="kind", features=["smooth", "area"])
    assert data.arrays["x_1"].tolist() == [2, 4]
    assert data.features == ("smooth", "area")
    assert data.classes == ("B", "M")
    assert data.arrays["y"].tolist() == [1, 0]


def test_one_vector_takes_all_features() -> None:
    data = assigned("a,y,b\n1,0,2\n3,1,4\n", [X], [Y])
    assert data.arrays["x"].tolist() == [[1, 2], [3, 4]]


def test_vectors_by_numbered_columns() -> None:
    data = assigned("u_0,x_1,x_2,y_1,y_2\n5,1,2,7,8\n", [X, DataField("u", (1,))], [DataField("y", (2,))])
    assert data.arrays["x"].tolist() == [[1, 2]]
    assert data.arrays["u"].tolist() == [[5]]
    assert data.arrays["y"].tolist() == [[7, 8]]


def test_labels_become_one_hot_rows_and_bind_sizes() -> None:
    data = assigned(
        "a,b,y\n1,2,red\n3,4,blue\n5,6,red\n7,8,green\n", [DataField("x", ("d",))], [DataField("y", ("k",))]
    )
    assert data.classes == ("blue", "green", "red")
    assert data.sizes == {"d": 2, "k": 3}
    assert data.arrays["y"].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_numbers_become_one_hot_rows_too() -> None:
    data = assigned("a,b,y\n1,2,7\n3,4,2.5\n", [X], [DataField("y", (2,))])
    assert data.classes == ("2.5", "7")
    assert data.arrays["y"].tolist() == [[0, 1], [1, 0]]


def test_whole_numbers_take_labels() -> None:
    data = assigned("a,b,y\n1,2,x\n3,4,z\n5,6,w\n", [X], [DataField("y", (), 3)])
    assert data.arrays["y"].tolist() == [1, 2, 0]


def test_prediction_needs_no_target() -> None:
    data = assigned(NAMED, [X1, X2], [], features=["area", "smooth"])
    assert set(data.arrays) == {"x_1", "x_2"}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfx_1,x_2,y\r\n1,2,0\r\n",
        b'"x_1", "x_2",y \n 1 ,"2", 0\n\n',
        b"x_1,x_2,y\n1.0,2e0,+0",
    ],
)
def test_spellings_of_one_table(content: bytes) -> None:
    data = assigned(content, *SCALARS)
    assert {name: values.tolist() for name, values in data.arrays.items()} == {
        "x_1": [1],
        "x_2": [2],
        "y": [0],
    }


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1))
def test_numbers_read_back_exactly(values: list[tuple[float, float, float]]) -> None:
    text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in values)
    table = tables._read(rows.read_rows(io.BytesIO(text.encode()), "data.csv"), "data.csv")
    assert np.array_equal(np.stack([table.numbers(name) for name in "abc"], axis=1), np.array(values))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_or_an_error(content: bytes) -> None:
    try:
        table = tables._read(rows.read_rows(io.BytesIO(content), "data.csv"), "data.csv")
        for name in table.names:
            assert np.isfinite(table.labels(name)[0]).all()
    except DeriveError as error:
        assert str(error).isprintable() or "\nhint: " in str(error)


def test_the_data_set_that_ships() -> None:
    table = read_table(data_dir() / "breast_cancer.csv")
    data = assign(table, *SCALARS, target="malignant")
    assert data.features == ("worst_area", "worst_smoothness")
    assert data.arrays["y"].sum() == 212
    assert len(data.arrays["y"]) == 569
    assert "CC BY 4.0" in (data_dir() / "breast_cancer.md").read_text(encoding="utf-8")
