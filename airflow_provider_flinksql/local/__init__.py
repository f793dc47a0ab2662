"""The embedded Flink: JobManager, TaskManager and SQL Gateway of one version, as plain Java processes of this user.

Nothing of it is needed to run jobs on another cluster; nothing heavy is imported before :func:`up` starts something.
"""

from airflow_provider_flinksql.local.cluster import LocalStatus, default_folder, down, status, up
from airflow_provider_flinksql.local.config import DEFAULT_FLINK, PARTS, SLOTS

__all__ = ["DEFAULT_FLINK", "PARTS", "SLOTS", "LocalStatus", "default_folder", "down", "status", "up"]
