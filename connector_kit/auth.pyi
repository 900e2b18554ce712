from connector_kit.config.auth import ApiKey as ApiKey
from connector_kit.config.auth import Auth as Auth
from connector_kit.config.auth import Basic as Basic
from connector_kit.config.auth import Bearer as Bearer
from connector_kit.config.auth import NoAuth as NoAuth
